"""The runtime contract of both binaries, from outside: configuration, listeners, health, signals; always booted cold."""

import functools
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

import pytest

from contracts.admin import Admin
from contracts.gateway.edge import TransportError
from contracts.gateway.signing import DeviceKey
from gateway_authsession import topology
from gateway_authsession.topology import AUTHSESSION, GATEWAY, Platform
from seatrial import Environment, Listener, Service, until

MODES: Final[tuple[Literal["cold", "warm"], ...]] = ("cold", "warm")
SERVICES = pytest.mark.parametrize("service", [GATEWAY, AUTHSESSION], ids=lambda service: service.name)


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary from the installed scripts: whatever an import has changed by then shows here."""
    return functools.partial(topology.boot, environment, mode="cold")


def output(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the binary without any configuration."""
    return subprocess.run(
        [*service.binary.command(), *arguments],
        env={},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@SERVICES
def test_help_and_version_need_no_configuration(service: Service) -> None:
    version = output(service, "--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, service.name)
    text = output(service, "--help")
    prefix = service.name.upper()
    assert text.returncode == 0
    for variable in (
        *service.environment,
        f"{prefix}_REDIS_URL",
        f"{prefix}_HTTP_ADDR",
        f"{prefix}_ADMIN_ADDR",
    ):
        assert variable in text.stdout


@SERVICES
def test_every_wrong_variable_is_named_at_once(environment: Environment, service: Service) -> None:
    prefix = service.name.upper()
    wrong = {
        "REDIS_URL": "ftp://nowhere",
        "REDIS_TIMEOUT_MS": "soon",
        "STOP_TIMEOUT_MS": "-1",
        "ADMIN_ADDR": "nonsense",
    }
    variables = {f"{prefix}_{name}": value for name, value in wrong.items()}
    process = environment.spawn(
        service.replace(environment={}, listeners=()), environment=variables, boot="cold"
    )
    process.expect_exit(code=78)
    process.allow_log(".")
    assert process.wait_exit().code == 78
    lines = process.log.text().splitlines()
    secret = {"gateway": "GATEWAY_SIGNING_KEY", "authsession": "AUTHSESSION_CODE_PEPPER"}[service.name]
    for variable in (*variables, secret):
        [line] = [line for line in lines if line.startswith(f"{variable}: ")]
        assert line.endswith(")")


def test_a_socket_that_grpc_cannot_take_is_a_configuration_error(environment: Environment) -> None:
    listeners = (Listener(name="grpc", kind="passed"), Listener(name="admin", kind="passed"))
    process = environment.spawn(
        GATEWAY.replace(listeners=listeners),
        environment={"GATEWAY_REDIS_URL": environment.valkey.url},
        boot="cold",
    )
    process.expect_exit(code=78)
    process.allow_log(".")
    assert process.wait_exit().code == 78
    assert "grpc" in process.log.text()


@SERVICES
def test_without_passed_sockets_it_binds_and_reports(environment: Environment, service: Service) -> None:
    prefix = service.name.upper()
    names = {"gateway": ("http", "grpc", "admin"), "authsession": ("http", "admin")}[service.name]
    listeners = tuple(
        Listener(name=name, kind="reported", variable=f"{prefix}_{name.upper()}_ADDR") for name in names
    )
    nobody = "http://127.0.0.1:9"
    adapters = (
        {"AUTHSESSION_USER_URL": nobody, "AUTHSESSION_MAIL_URL": nobody} if service is AUTHSESSION else {}
    )
    process = environment.start(
        service.replace(listeners=listeners),
        environment={f"{prefix}_REDIS_URL": environment.valkey.url, **adapters},
        boot="cold",
    )
    assert len({process.address(name).port for name in names}) == len(names)
    Admin(process.url("admin")).health().expect(200)
    assert process.stop().code == 0


@SERVICES
@pytest.mark.parametrize("end", ["drained", "misconfigured", "address in use"])
def test_both_ways_to_boot_log_and_end_the_same(environment: Environment, service: Service, end: str) -> None:
    prefix = service.name.upper()
    outbox = str(environment.directory / "mails")
    stubs = (
        {"USER_ADAPTER": "stub", "MAIL_ADAPTER": "stub", "MAIL_STUB_FILE": outbox}
        if service is AUTHSESSION
        else {}
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # The gateway's is gRPC's: its core has a log of its own, about whose level it asks the environment once.
        used = (
            {f"{'GRPC' if service is GATEWAY else 'HTTP'}_ADDR": f"127.0.0.1:{port}"}
            if end == "address in use"
            else {}
        )
        redis = {} if end == "misconfigured" else {"REDIS_URL": environment.valkey.url}
        free = {"ADMIN_ADDR": "127.0.0.1:0", "HTTP_ADDR": "127.0.0.1:0", "GRPC_ADDR": "127.0.0.1:0"}
        variables = {prefix + "_" + name: value for name, value in {**stubs, **free, **used, **redis}.items()}
        told = []
        for mode in MODES:
            process = environment.spawn(
                service.replace(environment=service.environment, listeners=()),
                environment=variables,
                boot=mode,
            )
            process.expect_exit()
            process.allow_log(".")
            if end == "drained":
                process.wait_ready()
                process.terminate()
            status = process.wait_exit()
            told.append(
                (status.returncode, re.sub(r'"(ts|pid|listen_\w+)":("[^"]*"|\d+)', "", process.log.text()))
            )
    assert told[0] == told[1]
    assert told[0][0] == {"drained": 0, "misconfigured": 78, "address in use": 71}[end]


def test_health_readiness_and_metrics_of_all_listeners(platform: Platform) -> None:
    platform.sign_in().execute()
    for admin, names in (
        (platform.gateway.admin, {"redis", "authsession"}),
        (platform.authsession_admin, {"redis"}),
    ):
        admin.health().expect(200)
        admin.ready().expect(200)
        assert admin.dependencies().keys() == names
    metrics = platform.gateway.admin.metrics()
    assert metrics['gateway_calls_total{operation="ExecuteCommand",code="ok"}'] == 1
    edge = platform.gateway.edge
    assert [edge.health(name) for name in ("", "gateway.v1.EdgeGateway")] == ["SERVING"] * 2
    with pytest.raises(TransportError, match="NOT_FOUND"):
        edge.health("no.such.Service")


def test_a_gateway_without_authsession_says_so(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession=False)
    platform.public.send_email_code("ada@example.test").expect_error(503, "service_unavailable")
    assert platform.gateway.admin.dependencies().keys() == {"redis"}


def test_sigterm_drains_a_command_in_flight(platform: Platform) -> None:
    device = platform.sign_in()
    with ThreadPoolExecutor(1) as pool, platform.commands.delayed(0.4):
        command = pool.submit(device.execute)
        until("the command to arrive", lambda: platform.commands.executed)
        platform.gateway.process.terminate()
        assert command.result().status_code == 200
    assert platform.gateway.process.wait_exit().code == 0


def test_sigterm_drains_a_sign_in_in_flight(platform: Platform) -> None:
    challenge_id, code = platform.challenge("ada@example.test")
    key = DeviceKey()
    with ThreadPoolExecutor(1) as pool, platform.users.delayed(0.4):
        confirm = pool.submit(platform.public.confirm_email_code, challenge_id, code, key.public)
        until("the user service to be asked", lambda: platform.users.calls)
        for process in platform.services:
            process.terminate()
        confirm.result().expect(200)
    for process in platform.services:
        assert process.wait_exit().code == 0


def test_a_second_sigterm_does_not_wait(platform: Platform) -> None:
    device = platform.sign_in()
    process = platform.gateway.process
    process.expect_exit(signal=signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool, platform.commands.delayed(30.0):
        command = pool.submit(device.execute)
        until("the command to arrive", lambda: platform.commands.executed)
        mark = process.log.mark()
        process.send_signal(signal.SIGTERM)
        process.log.wait_for("service_stopping", since=mark)
        process.send_signal(signal.SIGTERM)
        assert process.wait_exit(2.0).signal == signal.SIGTERM
        with pytest.raises(TransportError, match="UNAVAILABLE"):
            command.result()


def test_sigusr1_dumps_stacks_and_life_goes_on(platform: Platform) -> None:
    for process in platform.services:
        with process.log.contains("asyncio tasks"):
            process.dump_stacks()
        assert "most recent call first" in process.log.text()
    platform.sign_in().execute()
