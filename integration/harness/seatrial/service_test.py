import pytest

from seatrial.conftest import Argv
from seatrial.errors import ServiceError
from seatrial.processes.listener import Listener
from seatrial.processes.readiness import HttpProbe, LogLine, TcpProbe
from seatrial.service import Service

TRUE = Argv(["true"])
HTTP = Listener(name="http", kind="passed")
GRPC = Listener(name="grpc", kind="reported", variable="GRPC_ADDR")
REDIS = Listener(name="redis", kind="reserved")


def test_replace_gives_a_copy() -> None:
    service = Service(name="a", binary=TRUE, listeners=[HTTP])
    other = service.replace(name="b", boot_timeout=1.0)
    assert (other.name, other.boot_timeout, other.listeners) == ("b", 1.0, [HTTP])
    assert service.name == "a"


def test_listeners_are_found_by_name() -> None:
    service = Service(name="a", binary=TRUE, listeners=[HTTP, REDIS])
    assert service.listener("redis") is REDIS
    with pytest.raises(ServiceError, match=r"service a has no listener 'x' \(it has: http, redis\)"):
        service.listener("x")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", ".hidden"])
def test_a_name_must_be_usable_as_a_file_name(name: str) -> None:
    with pytest.raises(ServiceError, match="a name is a letter"):
        Service(name=name, binary=TRUE)


def test_two_listeners_of_one_name_are_refused() -> None:
    with pytest.raises(ServiceError, match="two listeners are called 'http'"):
        Service(name="a", binary=TRUE, listeners=[HTTP, HTTP])


def test_a_pattern_must_be_one() -> None:
    with pytest.raises(ServiceError, match="log_alarms has '\\('"):
        Service(name="a", binary=TRUE, log_alarms=["("])
    with pytest.raises(ServiceError, match="service a: LogLine pattern"):
        Service(name="a", binary=TRUE, readiness=LogLine("("))


def test_a_probe_that_could_not_work_is_refused() -> None:
    with pytest.raises(ServiceError, match="proves nothing"):
        Service(name="a", binary=TRUE, listeners=[HTTP], readiness=TcpProbe("http"))
    with pytest.raises(ServiceError, match="known only from the READY datagram"):
        Service(name="a", binary=TRUE, listeners=[GRPC], readiness=HttpProbe("grpc"))
    with pytest.raises(ServiceError, match="which the service does not have"):
        Service(name="a", binary=TRUE, readiness=TcpProbe("http"))
    with pytest.raises(ServiceError, match="is not a path"):
        Service(name="a", binary=TRUE, listeners=[HTTP], readiness=HttpProbe("http", "healthz"))
