"""What libFuzzer says is read."""

from pathlib import Path

import pytest

from runner.libfuzzer import Statistics, usable

OUTPUT = """\
INFO: seed corpus: files: 15 min: 1b max: 190b total: 2263b rss: 41Mb
#16	INITED cov: 30 ft: 41 corp: 9/800b exec/s: 0 rss: 50Mb
#85677	REDUCE cov: 38 ft: 62 corp: 11/931b lim: 950 exec/s: 85677 rss: 58Mb L: 37/192 MS: 2 EraseBytes-EraseBytes-
#131072	pulse  cov: 38 ft: 63 corp: 12/814b lim: 1371 exec/s: 65536 rss: 58Mb
#588219	DONE   cov: 38 ft: 63 corp: 12/784b lim: 4096 exec/s: 65357 rss: 58Mb
Done 588219 runs in 9 second(s)
stat::number_of_executed_units: 588219
stat::average_exec_per_sec:     65357
stat::new_units_added:          58
stat::slowest_unit_time_sec:    0
stat::peak_rss_mb:              59
"""


def test_the_statistics_are_those_of_the_last_word() -> None:
    statistics = Statistics()
    for line in OUTPUT.splitlines():
        statistics = statistics.after(line)
    assert statistics == Statistics(
        executions=588219,
        executions_per_s=65357,
        edges=38,
        features=63,
        features_of_corpus=41,
        inputs=12,
        added=58,
        rss_mb=59,
    )


def test_a_line_that_says_nothing_changes_nothing() -> None:
    statistics = Statistics(executions=1)
    assert statistics.after("INFO: Instrumenting gateway.envelope") is statistics


@pytest.mark.parametrize(
    ("path", "wanted"), [("/tmp/a-b_c.1", True), ("/tmp/a b", False), ("/tmp/$x", False)]
)
def test_a_path_that_a_shell_would_take_apart_is_not_usable(path: str, *, wanted: bool) -> None:
    assert usable(Path(path)) is wanted
