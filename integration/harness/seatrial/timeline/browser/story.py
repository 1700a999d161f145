"""A short story for the page: a customer orders bread, the network breaks, a test fails."""

import json

from seatrial.timeline.browser.conftest import Record, happened

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "00f067aa0ba902b700f067aa0ba902b7"


def logged(at_s: float, source: str, event: str, level: str = "INFO", **fields: object) -> Record:
    """A line of a service's log."""
    document = json.dumps({"level": level, "logger": f"{source}.app", "event": event, **fields})
    ids = {name: value for name, value in fields.items() if name in ("trace_id", "request_id")}
    return happened(at_s, source, "log", document, level=level, **ids)


STORY = [
    happened(0.0, "test", "start", "suite/shop_test.py::test_bread", seed=7),
    happened(0.1, "oven", "spawned", "/bin/oven", pid=42),
    happened(0.2, "oven", "ready", "after 100 ms"),
    happened(0.25, "test", "step", "order", step=1),
    happened(0.26, "test", "step", "pay", step=2),
    happened(
        0.3, "customer", "request", "POST /bread", exchange=1, to="oven", request_id="r-1", trace_id=TRACE
    ),
    logged(0.32, "oven", "order_taken", request_id="r-1"),
    happened(0.33, "stream orders", "entry", "rye", entry_id="1-0", by="oven", trace_id=TRACE),
    happened(0.34, "mail", "call", "POST /send -> 202", trace_id=TRACE),
    happened(0.35, "customer", "response", exchange=1, status=201, took_s=0.05),
    happened(0.4, "test", "step_done", "pay", step=2, took_s=0.14),
    happened(0.45, "proxy oven-orders", "fault", "drop_traffic both", fault=1),
    logged(0.5, "oven", "orders_unreachable", "WARNING"),
    happened(0.52, "customer", "request", "GET /bread", exchange=2, to="oven", trace_id=OTHER),
    logged(0.54, "oven", "no_bread", "ERROR", trace_id=OTHER),
    happened(0.55, "customer", "response", exchange=2, status=503, took_s=0.03),
    happened(0.6, "proxy oven-orders", "fault_over", "drop_traffic", fault=1),
    happened(0.62, "test", "step", "taste", step=3),
    happened(0.64, "test", "step_failed", "taste", step=3, error="AssertionError", took_s=0.02),
    happened(0.65, "test", "step_failed", "order", step=1, error="AssertionError", took_s=0.4),
    happened(0.7, "test", "failed", "call", message="AssertionError: no bread\nassert 0 == 1"),
    happened(0.72, "test", "teardown"),
    happened(0.8, "oven", "exited", "exit code 0", status=0),
    happened(0.9, "test", "end", outcome="failed"),
]
REQUEST, RESPONSE, FAILURE = 5, 9, 20


def crowd(count: int) -> list[Record]:
    """So many lines of logs, in a test of a minute that fails near its end."""
    lines = [logged(index * 60 / count, f"service-{index % 9}", f"tick_{index}") for index in range(count)]
    return [*lines, happened(60.0, "test", "failed", "call", message="late")]
