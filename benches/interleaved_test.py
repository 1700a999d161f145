from functools import partial

from interleaved import interleaved


def test_every_subject_is_first_as_often_as_the_others() -> None:
    order: list[str] = []

    def subject(name: str) -> float:
        order.append(name)
        return len(order)

    samples = interleaved(range(4), {name: partial(subject, name) for name in ("a", "b")})
    assert "".join(order) == "abbaabba"
    assert samples == {"a": [1, 4, 5, 8], "b": [2, 3, 6, 7]}
