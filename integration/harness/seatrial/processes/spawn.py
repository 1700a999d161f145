"""Starting a program: what a child inherits is exactly what is given here, whatever state the runner is in."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from seatrial.errors import SpawnError

FIRST_PASSED: Final = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
_INHERITED: Final = (
    "DYLD_LIBRARY_PATH", "HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SSL_CERT_DIR",
    "SSL_CERT_FILE", "TMPDIR", "TZ", "USER",
)  # fmt: skip
_DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_SHELL: Final = "/bin/sh"
# The shell becomes the program: same pid, same parent. posix_spawn(3) itself can neither change the directory
# everywhere, nor know the pid that LISTEN_PID must carry.
_TRAMPOLINE: Final = 'cd "$1" || exit 126; unset OLDPWD; shift; exec "$@"'
_TRAMPOLINE_WITH_SOCKETS: Final = (
    'cd "$1" || exit 126; unset OLDPWD; shift; LISTEN_PID=$$; export LISTEN_PID; exec "$@"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A program, ready to run. `output` becomes its stdout and stderr, `sockets` its descriptors 3, 4, ..."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    output: int
    sockets: Mapping[str, int] = field(default_factory=dict)


def base_environment(inherit: Iterable[str] = ()) -> dict[str, str]:
    """The part of the runner's environment that a child sees.

    An allow-list: the shell of whoever runs the tests configures no service, and neither PYTHONDONTWRITEBYTECODE (which
    slows each boot fourfold) nor a proxy reaches a child unless it is named in `inherit`.
    """
    wanted = {*_INHERITED, *inherit}
    kept = {name: value for name, value in os.environ.items() if name in wanted or name.startswith("LC_")}
    kept.setdefault("PATH", _DEFAULT_PATH)
    return kept


@cache
def dies_with_parent() -> Sequence[str]:
    """The prefix of a command that makes the kernel kill it with the thread that spawned it; empty without setpriv."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL")
    # BusyBox has a setpriv that does not know the option.
    probe = subprocess.run([*prefix, _SHELL, "-c", ":"], capture_output=True, check=False)
    return prefix if probe.returncode == 0 else ()


def _search(program: str, search_path: str, directory: Path) -> Path | None:
    if "/" in program:
        return directory / program
    for folder in search_path.split(os.pathsep):
        candidate = directory / folder / program
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None


def _check_interpreter(launch: Launch, program: Path, search_path: str) -> None:
    """Scripts name their interpreter in the first line, and the kernel's error does not say which is missing."""
    try:
        with program.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return  # a program may be executable and not readable
    if not first.startswith(b"#!"):
        return
    words = first[2:].decode("utf-8", "replace").rstrip("\n").split()
    if not words:
        raise SpawnError(
            f"service {launch.name}: {program} starts with #! but names no interpreter; write its path"
        )
    interpreter = words[0]
    if first.endswith(b"\r\n"):
        raise SpawnError(
            f"service {launch.name}: the first line of {program} ends in CR LF; store it with LF line ends"
        )
    found: Path | None = Path(interpreter)
    if (
        Path(interpreter).name == "env"
        and len(words) > 1
        and not words[1].startswith("-")
        and "=" not in words[1]
    ):
        interpreter = words[1]
        found = _search(interpreter, search_path, launch.directory)
    if found is None or not os.access(found, os.X_OK):
        raise SpawnError(
            f"service {launch.name}: {program} asks for the interpreter {interpreter}, which is not there;"
            " install it, or build the program again where it is"
        )


def resolve(launch: Launch) -> Path:
    """The file that `launch` will run; raises `SpawnError` that names it when it cannot run."""
    if not launch.command:
        raise SpawnError(f"service {launch.name}: its command is empty; give at least the program")
    for text in (*launch.command, *launch.environment, *launch.environment.values()):
        if "\0" in text:
            raise SpawnError(
                f"service {launch.name}: {text!r} contains a NUL, which no argument or variable can"
            )
    search_path = launch.environment.get("PATH", _DEFAULT_PATH)
    program = _search(launch.command[0], search_path, launch.directory)
    if program is None:
        raise SpawnError(
            f"service {launch.name}: no program {launch.command[0]!r} in PATH ({search_path});"
            " install it, or give its full path"
        )
    if not program.exists():
        raise SpawnError(
            f"service {launch.name}: {program} does not exist; build it first, or correct the path"
        )
    if not program.is_file():
        raise SpawnError(f"service {launch.name}: {program} is not a file; give the path of a program")
    if not os.access(program, os.X_OK):
        raise SpawnError(f"service {launch.name}: {program} is not executable; run: chmod +x {program}")
    _check_interpreter(launch, program, search_path)
    return program


def stray_descriptors(first: int) -> list[int]:
    """Descriptors from `first` on that any child would inherit, like a jobserver's pipe that make gave to the runner."""
    stray = []
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) >= first and os.get_inheritable(int(name)):
                stray.append(int(name))
        except OSError:
            continue  # the one that listed them
    return stray


def spawn(launch: Launch) -> int:
    """Start `launch` and return its pid.

    The child leads a session of its own, has default signal dispositions and an empty signal mask, reads nothing from
    stdin, and has no descriptor but 0, 1, 2 and the passed sockets. It is killed when the *thread* that calls this ends.
    Raises `SpawnError`.
    """
    program = resolve(launch)
    environment = dict(launch.environment)
    script = _TRAMPOLINE
    if launch.sockets:
        environment["LISTEN_FDS"] = str(len(launch.sockets))
        environment["LISTEN_FDNAMES"] = ":".join(launch.sockets)
        script = _TRAMPOLINE_WITH_SOCKETS
    shell = (_SHELL, "-c", script, launch.name, str(launch.directory), str(program), *launch.command[1:])
    command = (*dies_with_parent(), *shell)

    # Sources are moved above every target first: else one target could overwrite the source of the next.
    above = FIRST_PASSED + len(launch.sockets)
    sources: list[int] = []
    try:
        for descriptor in (launch.output, *launch.sockets.values()):
            sources.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above))  # noqa: PERF401
        output, *sockets = sources
        actions: list[tuple[int, int, int] | tuple[int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_CLOSE, stray) for stray in stray_descriptors(above)
        ]
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        actions += [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, each, FIRST_PASSED + at) for at, each in enumerate(sockets)]
        return os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    except OSError as error:
        reason = f"{error.strerror} ({os.path.basename(command[0])})"
        raise SpawnError(f"service {launch.name}: cannot start {program}: {reason}") from error
    finally:
        for source in sources:
            os.close(source)
