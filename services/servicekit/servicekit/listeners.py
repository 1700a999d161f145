"""Listening sockets: passed by the supervisor (sd_listen_fds(3)), or bound here."""

import errno
import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from servicekit.parsers import Address

FIRST_FD: Final = 3
BACKLOG: Final = 2048


@dataclass(frozen=True, slots=True)
class Listener:
    """A named place where the service can be reached.

    Its address variable is ``<PREFIX>_<NAME>_ADDR`` with this ``default``. ``passed`` says that a socket of that name can
    be adopted from the supervisor; grpcio for one cannot.
    """

    name: str
    default: str
    passed: bool = True

    def variable(self, prefix: str) -> str:
        """Give the name of the address variable."""
        return f"{prefix}_{self.name.upper()}_ADDR"


class ListenError(Exception):
    """A listener could not be had. ``status`` is the exit status of sysexits.h that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def inherited(
    environment: MutableMapping[str, str], listeners: Iterable[Listener], *, first_fd: int = FIRST_FD
) -> tuple[dict[str, socket.socket], list[str]]:
    """Take over the sockets that the supervisor passed.

    ``LISTEN_PID``, ``LISTEN_FDS`` and ``LISTEN_FDNAMES`` are removed from the environment; when ``LISTEN_PID`` is another
    process', they were not meant for us and nothing is taken. Gives the sockets by their listener's name, and the
    problems found.
    """
    pid = environment.pop("LISTEN_PID", None)
    count_text = environment.pop("LISTEN_FDS", None)
    names_text = environment.pop("LISTEN_FDNAMES", None)
    if not count_text or (pid is not None and pid != str(os.getpid())):
        return {}, []
    if not count_text.isascii() or not count_text.isdigit() or len(count_text) > 9:
        return {}, [
            f"LISTEN_FDS: {count_text[:20]!r} is not a number of sockets (set it as in sd_listen_fds(3))"
        ]
    count = int(count_text)
    names = names_text.split(":") if names_text else []
    known = {listener.name: listener for listener in listeners}
    accepted = ", ".join(name for name, listener in known.items() if listener.passed)
    if len(names) != count:
        return {}, [
            f"LISTEN_FDNAMES: names {len(names)} of {count} sockets (name each, separated by colons, from: {accepted})"
        ]
    sockets: dict[str, socket.socket] = {}
    problems: list[str] = []
    for fd, name in enumerate(names, first_fd):
        if name not in known:
            problems.append(f"LISTEN_FDNAMES: no listener is named {name!r} (use one of: {accepted})")
        elif not known[name].passed:
            problems.append(
                f"LISTEN_FDNAMES: listener {name!r} cannot adopt a socket (set its address variable instead)"
            )
        elif name in sockets:
            problems.append(f"LISTEN_FDNAMES: {name!r} is given twice (pass one socket per listener)")
        else:
            try:
                sockets[name] = _adopt(fd)
            except ValueError as problem:
                problems.append(f"LISTEN_FDS: descriptor {fd} ({name}) {problem}")
    return sockets, problems


def _adopt(fd: int) -> socket.socket:
    remedy = "(pass a listening TCP socket)"
    try:
        # Other children of ours must not inherit it: they would keep the port open after us.
        os.set_inheritable(fd, False)
        adopted = socket.socket(fileno=fd)
    except OSError as problem:
        raise ValueError(f"is no socket: {problem.strerror} {remedy}") from None
    if adopted.family not in {socket.AF_INET, socket.AF_INET6} or adopted.type != socket.SOCK_STREAM:
        reason = f"is of family {adopted.family} and type {adopted.type} {remedy}"
    elif not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        reason = f"does not listen {remedy}"
    else:
        adopted.setblocking(False)
        return adopted
    adopted.detach()
    raise ValueError(reason)


def bind(address: Address, variable: str) -> socket.socket:
    """Bind and listen. ``[::]`` takes IPv4 as well.

    Raises ListenError, with the exit status 71 (EX_OSERR) for an address that is in use, which heals when its holder goes;
    77 (EX_NOPERM) for a forbidden one; 78 (EX_CONFIG) for one that this machine does not have.
    """
    try:
        family, kind, protocol, _, resolved = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as problem:
        raise ListenError(
            78, f"{variable}: host {address.host!r} is unknown: {problem} (give an address of this machine)"
        ) from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if resolved[0] == "::" else 1)
        bound.bind(resolved)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as problem:
        bound.close()
        raise explain(problem, address, variable) from None
    return bound


def explain(problem: OSError, address: Address, variable: str) -> ListenError:
    """Say why an address could not be bound, and what to do."""
    if problem.errno == errno.EADDRINUSE:
        return ListenError(71, f"{variable}: {address} is in use (stop its holder, or give another port)")
    if problem.errno in {errno.EACCES, errno.EPERM}:
        return ListenError(77, f"{variable}: {address} is forbidden to this user (give a port from 1024 on)")
    return ListenError(
        78, f"{variable}: {address} cannot be bound: {problem.strerror} (give an address of this machine)"
    )


def address_of(bound: socket.socket) -> Address:
    """Give the address that a socket is bound to."""
    host, port = bound.getsockname()[:2]
    return Address(host, port)


def obtain(
    listeners: Iterable[Listener],
    passed: Mapping[str, socket.socket],
    addresses: Mapping[str, Address],
    prefix: str,
) -> dict[str, socket.socket]:
    """Give a listening socket for each listener that can adopt one: the passed one, else a newly bound one.

    Raises ListenError; what was bound before it is closed.
    """
    sockets: dict[str, socket.socket] = dict(passed)
    try:
        for listener in listeners:
            if listener.passed and listener.name not in sockets:
                sockets[listener.name] = bind(addresses[listener.name], listener.variable(prefix))
    except ListenError:
        for bound in sockets.values():
            bound.close()
        raise
    return sockets
