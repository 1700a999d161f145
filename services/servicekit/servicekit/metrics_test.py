"""Metrics, read back by Prometheus' own parser."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from servicekit.metrics import Registry


def samples(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(registry.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e")),
    st.floats(0, 1e300),
)
def test_any_label_and_value_is_read_back(label: str, value: float) -> None:
    registry = Registry()
    registry.counter("a_total", "Help with \\ and\nlines", ("l",)).inc(label, by=value)
    registry.gauge("g", "").set(-value)
    assert samples(registry) == {("a_total", (("l", label),)): value, ("g", ()): -value}


def test_a_histogram_counts_by_upper_bound() -> None:
    registry = Registry()
    histogram = registry.histogram("h_seconds", "", ("op",), buckets=(1, 0.1))
    for value in (0.05, 0.1, 0.5, 1, 7):
        histogram.observe(value, "read")
    read = samples(registry)
    bounds = {
        dict(labels)["le"]: value for (name, labels), value in read.items() if name == "h_seconds_bucket"
    }
    assert {float(bound): count for bound, count in bounds.items()} == {0.1: 2, 1: 4, math.inf: 5}
    assert read["h_seconds_sum", (("op", "read"),)] == pytest.approx(8.65)
    assert read["h_seconds_count", (("op", "read"),)] == 5


def test_a_metric_without_labels_is_there_before_it_is_touched() -> None:
    registry = Registry()
    registry.counter("a_total", "")
    registry.counter("b_total", "", ("l",))
    assert samples(registry) == {("a_total", ()): 0}


def test_the_same_declaration_gives_the_same_metric_and_another_is_refused() -> None:
    registry = Registry()
    first = registry.counter("a_total", "", ("l",))
    assert registry.counter("a_total", "", ("l",)) is first
    with pytest.raises(ValueError, match="a_total is declared twice"):
        registry.gauge("a_total", "", ("l",))
    with pytest.raises(ValueError, match="a_total is declared twice"):
        registry.counter("a_total", "", ("m",))


def test_wrong_labels_and_falling_counters_are_defects() -> None:
    counter = Registry().counter("a_total", "", ("l",))
    with pytest.raises(ValueError, match="has the labels"):
        counter.inc()
    with pytest.raises(ValueError, match="cannot fall"):
        counter.inc("a", by=-1)


def test_an_empty_registry_is_empty_text() -> None:
    assert Registry().render() == b""
