"""What is said of samples is true of them, and nothing is said that they cannot bear."""

import json
from pathlib import Path

import pytest

import plot
from series import Series, Target, table, write_results


def test_percentiles_are_nearest_ranks() -> None:
    series = Series("boot", "seatrial", tuple(float(value) for value in range(200, 0, -1)))
    assert [series.percentile(rank) for rank in (50, 95, 99, 100)] == [100.0, 190.0, 198.0, 200.0]


def test_a_p99_of_99_samples_is_refused() -> None:
    series = Series("boot", "seatrial", tuple(float(value) for value in range(99)))
    with pytest.raises(ValueError, match="take at least 100"):
        series.percentile(99)
    assert series.summary()["p99"] is None
    assert series.percentile(95) == 94.0


@pytest.mark.parametrize("rank", [0, -1, 101])
def test_a_rank_that_is_none_is_refused(rank: float) -> None:
    with pytest.raises(ValueError, match="rank"):
        Series("boot", "seatrial", (1.0,)).percentile(rank)


def test_a_series_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Series("boot", "seatrial", ())


def test_a_target_names_what_was_missed() -> None:
    series = Series("boot", "seatrial", tuple([1.0] * 98 + [30.0] * 2), Target(p50=0.5, p99=10))
    assert [miss.split(": ")[1].split(" is")[0] for miss in series.target.misses(series)] == [
        "p50 1.00 ms",
        "p99 30.00 ms",
    ]
    assert Target(p50=1, p99=30).misses(series) == []


def test_results_hold_every_sample_and_the_picture_is_drawn(tmp_path: Path) -> None:
    series = [Series("boot", "seatrial", (1.0, 2.0), Target(p50=3)), Series("boot", "a peer", (100.0, 300.0))]
    write_results(tmp_path / "out" / "results.json", series)
    plot.draw(series, tmp_path / "out" / "plot.png")
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [one["samples"] for one in kept["series"]] == [[1.0, 2.0], [100.0, 300.0]]
    assert kept["machine"]["python"]
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["plot.png", "results.json"]
    assert "boot [a peer]" in "\n".join(table(series))
