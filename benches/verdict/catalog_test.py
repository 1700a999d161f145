"""The catalogue is complete and says what can be measured."""

import pytest

from verdict.catalog import BY_NAME, DOCKER, METRICS, SERVICES, Metric, UnknownMetric, choose, hypotheses


def test_every_service_has_its_boots_and_its_memory() -> None:
    for service in SERVICES:
        for name in ("boot_cold", "boot_warm", "memory_rest", "memory_load"):
            assert BY_NAME[f"{name}_{service}"].unit == ("bytes" if "memory" in name else "ms")
    assert {
        "sign_in",
        "command",
        "push_1",
        "push_10",
        "push_100",
        "job_start",
        "intent_push",
        "intent_mail",
    } <= BY_NAME.keys()
    assert len(BY_NAME) == len(METRICS)


def test_only_what_runs_containers_needs_the_engine() -> None:
    needy = {metric.name for metric in METRICS if metric.capability == DOCKER}
    assert needy == {"job_start", "memory_rest_rtmanager", "memory_load_rtmanager"}
    assert {metric.name for metric in METRICS if metric.rig == "runtime"} == needy


def test_memory_at_rest_is_taken_before_anything_else_and_under_load_last() -> None:
    for rig in ("platform", "runtime"):
        own = [metric.name for metric in METRICS if metric.rig == rig]
        states = ["rest" if "_rest_" in name else "load" if "_load_" in name else "other" for name in own]
        assert states == sorted(states, key=["rest", "other", "load"].index)


def test_metrics_are_chosen_by_name_in_the_order_of_the_catalogue() -> None:
    assert [metric.name for metric in choose(["command", "sign_in"])] == ["sign_in", "command"]
    assert choose() == METRICS
    assert choose(quick=True) == tuple(metric for metric in METRICS if metric.quick)
    assert choose(["job_start"], quick=True) == (BY_NAME["job_start"],)


def test_an_unknown_metric_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownMetric, match=r"--metric speed: there is no such metric \(one of: .*sign_in"):
        choose(["command", "speed"])


def test_tails_are_tested_where_an_epoch_has_samples_enough() -> None:
    assert BY_NAME["command"].ranks == (50, 95)
    assert BY_NAME["job_start"].ranks == BY_NAME["memory_rest_lobby"].ranks == (50,)
    assert hypotheses([BY_NAME["command"], BY_NAME["job_start"]]) == 3


def test_a_metric_whose_samples_do_not_fill_its_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be split into 3 equal blocks"):
        Metric(name="m", group="g", title="t", rig="boots", samples=10, pairs=3)
