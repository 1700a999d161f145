"""Finding a container engine and asking it small questions, with the standard library alone.

It serves whoever cannot wait for the SDK's import or has none: the probe, the sweep, the warden's sweeper.
"""

import http.client
import json
import os
import socket
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from seatrial.errors import SeatrialError

HOST_VARIABLE: Final = "DOCKER_HOST"
DEFAULT_SOCKET: Final = "/var/run/docker.sock"
TIMEOUT_S: Final = 60.0
"""How long an answer may take: an engine under load takes seconds to kill and remove a container."""
PROBE_TIMEOUT_S: Final = 5.0
REMEDY: Final = "start one (in a checkout that has it: docker/engine up), or point DOCKER_HOST at one"
_NO_TLS_PORT: Final = 2375
_TLS_PORT: Final = 2376


class EngineError(SeatrialError):
    """A container engine cannot be used, or refuses something."""


class EngineUnreachable(EngineError):
    """No engine answers: where it was looked for and why that failed, and what to do."""

    def __init__(self, reason: str, remedy: str = REMEDY) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}; {remedy}")


class NotThere(EngineError):
    """The engine has no such container, network, volume or image."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine listens: `url` as in DOCKER_HOST, and the directory of its certificates when it wants TLS."""

    url: str
    certificates: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is on this machine for certain."""
        return self.url.startswith("unix://")

    @property
    def path(self) -> str:
        """The path of its socket; empty when it has none."""
        return urlsplit(self.url).path if self.local else ""


def find(environment: Mapping[str, str] | None = None) -> Place:
    """Where the engine is, by DOCKER_HOST (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH) or by the usual sockets.

    Raises `EngineUnreachable` for an address that is none.
    """
    variables = os.environ if environment is None else environment
    url = variables.get(HOST_VARIABLE, "")
    if not url:
        return Place(f"unix://{_usual_socket(variables)}")
    try:
        parts = urlsplit(url)
        usable = (parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc) or (
            parts.scheme == "tcp" and bool(parts.hostname) and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        raise EngineUnreachable(
            f"{HOST_VARIABLE} is {url!r}, no address that can be used",
            "write unix:///path or tcp://host:port, or unset it",
        )
    if not variables.get("DOCKER_TLS_VERIFY"):
        return Place(url)
    certificates = variables.get("DOCKER_CERT_PATH") or str(
        Path(variables.get("HOME", "~")).expanduser() / ".docker"
    )
    return Place(url, certificates)


def _usual_socket(variables: Mapping[str, str]) -> str:
    """The engine's default socket, else that of an engine which runs without root."""
    candidates = [DEFAULT_SOCKET]
    if variables.get("XDG_RUNTIME_DIR"):
        candidates.append(f"{variables['XDG_RUNTIME_DIR']}/docker.sock")
    if variables.get("HOME"):
        candidates.append(f"{variables['HOME']}/.docker/run/docker.sock")
    return next((path for path in candidates if _is_socket(path)), DEFAULT_SOCKET)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded; None when there is none."""
        return json.loads(self.body) if self.body.strip() else None

    @property
    def message(self) -> str:
        """What it says about an error."""
        try:
            return str(self.json()["message"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode("utf-8", "replace")[:500]


class Wire:
    """Asks an engine; every question has a connection of its own, so any thread may ask."""

    def __init__(self, place: Place, timeout: float = TIMEOUT_S) -> None:
        self.place = place
        self._timeout = timeout

    def ask(self, method: str, path: str, **query: Any) -> Answer:
        """One question; raises `EngineUnreachable`, `NotThere` for a 404, and `EngineError` for other refusals.

        Values of `query` that are mappings or lists are sent as JSON.
        """
        coded = {
            name: json.dumps(value) if isinstance(value, dict | list) else str(value)
            for name, value in query.items()
        }
        answer = self._answer(method, f"{quote(path, safe='/:')}?{urlencode(coded)}" if coded else path)
        if answer.status < 400:
            return answer
        kind = NotThere if answer.status == 404 else EngineError
        raise kind(
            f"the engine at {self.place.url} refuses {method} {path} ({answer.status}): {answer.message}"
        )

    def _answer(self, method: str, target: str) -> Answer:
        connection = Connection(self.place, self._timeout)
        try:
            connection.request(method, target, headers={"Host": "engine"})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(self.place, error) from None
        finally:
            connection.close()

    def ping(self) -> Answer:
        """Whether an engine answers; raises `EngineUnreachable` when something else does, or nothing."""
        answer = self._answer("GET", "/_ping")
        if answer.status != 200 or "Api-Version" not in answer.headers:
            raise EngineUnreachable(
                f"what answers at {self.place.url} is no container engine: GET /_ping gave {answer.status}"
            )
        return answer


class Connection(http.client.HTTPConnection):
    """HTTP over whatever the engine's address says."""

    def __init__(self, place: Place, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._place = place

    def connect(self) -> None:
        """Open it; raises `OSError`."""
        if self._place.local:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._place.path)
            return
        parts = urlsplit(self._place.url)
        host = parts.hostname or ""
        port = parts.port or (_NO_TLS_PORT if self._place.certificates is None else _TLS_PORT)
        self.sock = socket.create_connection((host, port), timeout=self.timeout)
        if self._place.certificates is not None:
            folder = Path(self._place.certificates)
            context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            self.sock = context.wrap_socket(self.sock, server_hostname=host)


def unreachable(place: Place, error: Exception) -> EngineUnreachable:
    """The error for an engine that could not be reached, with what to do about this very reason."""
    if isinstance(error, PermissionError) and place.local:
        user = os.environ.get("USER") or f"uid {os.getuid()}"
        return EngineUnreachable(
            f"the container engine's socket {place.path} may not be used by {user}: permission denied",
            "join the group that owns it (usermod --append --groups docker, then log in again), or run as root",
        )
    if isinstance(error, FileNotFoundError) and place.local:
        return EngineUnreachable(f"there is no container engine: no socket {place.path}")
    if isinstance(error, ConnectionRefusedError) and place.local:
        return EngineUnreachable(f"the container engine of {place.path} has ended: nobody listens there")
    if isinstance(error, TimeoutError):
        return EngineUnreachable(f"the container engine at {place.url} does not answer in time")
    return EngineUnreachable(
        f"no container engine answers at {place.url}: {str(error) or type(error).__name__}"
    )


def absence() -> str | None:
    """For the capability `docker`: None when an engine answers, else the reason why none does.

    The capability has a remedy of its own: what is to be done is only said here when it is something else.
    """
    try:
        Wire(find(), PROBE_TIMEOUT_S).ping()
    except EngineUnreachable as error:
        return error.reason if error.remedy == REMEDY else str(error)
    return None
