from pathlib import Path

import grpc
import yaml

from gateway.rejection import STATUS_OF_CODE, Rejection
from gateway.subscriptions import END_MESSAGES

PUBLISHED = yaml.safe_load((Path(__file__).parents[1] / "api" / "grpc_errors.yaml").read_text())


def test_published_codes_and_statuses_are_those_of_the_code() -> None:
    published = {
        entry["code"]: entry["status"] for entries in PUBLISHED["methods"].values() for entry in entries
    }
    assert published == {code: status.name for code, status in STATUS_OF_CODE.items()}


def test_published_checks_are_in_order() -> None:
    for entries in PUBLISHED["methods"].values():
        checks = [entry["check"] for entry in entries if entry["stage"] == "admission"]
        assert checks == sorted(checks)


def test_published_ends_of_a_stream_are_those_of_the_code() -> None:
    stream = [
        entry["code"] for entry in PUBLISHED["methods"]["SubscribeEvents"] if entry["stage"] == "stream"
    ]
    assert set(stream) == set(END_MESSAGES)


def test_a_rejection_knows_its_status() -> None:
    assert Rejection("rate_limited", "wait", retry_after_s=3).status is grpc.StatusCode.RESOURCE_EXHAUSTED
