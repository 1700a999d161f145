import io

from verdict.progress import Progress


def test_on_a_terminal_one_line_changes_and_goes_before_what_stays() -> None:
    out = io.StringIO()
    progress = Progress(out, live=True)
    progress.begin(3)
    progress.step(0, "command")
    progress.step(1, "sign_in")
    progress.say("done")
    written = out.getvalue()
    assert "epoch 1 of 3, 0 s so far: command" in written
    assert "left: sign_in" in written
    assert written.endswith("\rdone\n")
    assert written.count("\n") == 1


def test_elsewhere_each_epoch_is_one_line() -> None:
    out = io.StringIO()
    progress = Progress(out, live=False)
    for _ in range(2):
        progress.begin(2)
        for epoch in (0, 0, 1, 1):
            progress.step(epoch, "command")
    assert [line.partition(",")[0] for line in out.getvalue().splitlines()] == [
        "epoch 1 of 2",
        "epoch 2 of 2",
    ] * 2
