"""A container engine on demand: `docker/engine status|up|down|compose`. Needs Python >= 3.11 and nothing else.

`status` says whether an engine can be used, and what to do if not (exit status 0 and 1). `up` makes sure that one can be: where
none answers, and this is root on a machine with apt, it installs Debian's or Ubuntu's docker.io and starts it. `down` stops what
`up` has started, and nothing else. `compose` prints the command that drives compose files, and installs one where it may. Any
number of them may run at the same time.
"""

import argparse
import contextlib
import fcntl
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import packages
from told import fail, say, succeeds

DEFAULT = "unix:///var/run/docker.sock"
STATE = Path(os.environ.get("SEATRIAL_ENGINE_STATE") or "/run/seatrial-engine")
"""Log, lock, and what was started: on a disk that a reboot empties, as a reboot ends the engine."""
FLAGS = shlex.split(os.environ.get("SEATRIAL_DOCKERD_FLAGS", ""))
START_S = 60.0
STOP_S = 30.0
ANSWER_S = 10.0
POLL_MS = 20
LOG_LINES = 15


@dataclass(frozen=True)
class Verdict:
    """Whether an engine answers: `reason` and `remedy` are empty when it does."""

    usable: bool
    text: str
    remedy: str = ""
    absent: bool = False
    """Nobody listens there: an engine could be started."""


def endpoint() -> str:
    """Where the engine is, or would be."""
    return os.environ.get("DOCKER_HOST") or DEFAULT


def look() -> Verdict:
    """Ask the engine whether it is there."""
    url = urlsplit(endpoint())
    try:
        if url.scheme == "unix":
            answer = _ping(socket.AF_UNIX, url.path)
        elif url.scheme in {"tcp", "http"} and not os.environ.get("DOCKER_TLS_VERIFY"):
            answer = _ping(socket.AF_INET, (url.hostname or "127.0.0.1", url.port or 2375))
        else:
            return _ask_client()
    except FileNotFoundError:
        remedy = "run `docker/engine up` as root, or install and start Docker"
        return Verdict(False, f"no container engine: {url.path} is not there", remedy, absent=True)
    except PermissionError:
        remedy = "join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), or run as root"
        return Verdict(False, f"{url.path} is forbidden to this user", remedy)
    except ConnectionRefusedError:
        remedy = "start it: `docker/engine up` as root, or `systemctl start docker`"
        return Verdict(False, f"nobody listens at {endpoint()}", remedy, absent=url.scheme == "unix")
    except OSError as error:
        return Verdict(
            False, f"{endpoint()} does not answer: {error}", "see the engine's log, or correct DOCKER_HOST"
        )
    if not answer.startswith("HTTP/1.1 200"):
        reason = answer.splitlines()[0] if answer else "an empty answer"
        return Verdict(
            False, f"{endpoint()} is no container engine that works: {reason}", "see the engine's log"
        )
    return Verdict(True, f"a container engine answers at {endpoint()}")


def _ping(family: int, address: object) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(address)  # type: ignore[arg-type]  # the address fits the family
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
        parts = []
        while part := connection.recv(4096):
            parts.append(part)
    return b"".join(parts).decode("latin-1")


def _ask_client() -> Verdict:
    """By the docker client, for transports that only it knows: ssh, TLS."""
    remedy = "correct DOCKER_HOST, or unset it to use the engine of this machine"
    if shutil.which("docker") is None:
        return Verdict(False, f"{endpoint()} needs the docker client, which is not installed", remedy)
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except subprocess.TimeoutExpired:
        return Verdict(False, f"{endpoint()} does not answer within {ANSWER_S:g} s", remedy)
    if ran.returncode:
        return Verdict(False, f"{endpoint()} does not answer: {ran.stderr.strip()}", remedy)
    return Verdict(True, f"container engine {ran.stdout.strip()} answers at {endpoint()}")


@dataclass(frozen=True)
class Started:
    """What `up` has started: a process, known by its start time too, or systemd's unit."""

    pid: int
    started: str
    unit: str = ""

    @classmethod
    def read(cls) -> "Started | None":
        """What the state says; None when nothing was started, or the process is gone."""
        try:
            found = cls(**json.loads((STATE / "started.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.unit or _start_time(found.pid) == found.started else None

    def write(self) -> None:
        """Keep it for `down`."""
        temporary = STATE / "started.json.new"
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        os.replace(temporary, STATE / "started.json")


def _start_time(pid: int) -> str:
    """A process' start, in clock ticks since boot (proc(5), field 22); "" when it is not there or has ended."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time on this machine."""
    try:
        STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(STATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        fail(f"{STATE}: {error.strerror}; run as root, or name a folder by SEATRIAL_ENGINE_STATE")
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another docker/engine is at work, waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def status() -> int:
    """Say it; give the exit status."""
    verdict = look()
    lines = [verdict.text]
    started = Started.read()
    if not verdict.usable:
        lines.append(f"remedy: {verdict.remedy}")
    elif started is not None:
        lines.append(
            f"docker/engine has started it: {started.unit or f'process {started.pid}, log {STATE}/dockerd.log'}"
        )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0 if verdict.usable else 1


def up() -> int:
    """Make sure that an engine answers."""
    verdict = look()
    if verdict.usable and shutil.which("docker") is not None:
        say(verdict.text)
        return 0
    if not verdict.usable and not verdict.absent:
        fail(f"{verdict.text}; {verdict.remedy}")
    if os.geteuid() != 0:
        what = verdict.text if not verdict.usable else "the docker client is missing"
        fail(
            f"{what}; only root can install and start an engine: run `sudo docker/engine up`, or install Docker"
        )
    with alone():
        if not look().usable:
            _install("dockerd")
            _mount_cgroups()
            _start()
        _install("docker")
    say(look().text)
    return 0


def _install(program: str) -> None:
    if shutil.which(program) is not None:
        return
    if not packages.available():
        fail(
            f"{program} is not installed and there is no apt here: install Docker as its manual says for this system"
        )
    say(f"installing {' '.join(packages.ENGINE)} ({program} is missing)")
    packages.update()
    packages.install(*packages.ENGINE)
    if shutil.which(program) is None:  # newer releases have the client in a package of its own
        packages.install("docker-cli")
    if shutil.which(program) is None:
        fail(
            f"{program} is still missing after {' '.join(packages.ENGINE)} were installed: install Docker by hand"
        )


def compose() -> int:
    """Print the words of a command that drives compose files: that of the client's plugin, or the program."""
    words = _compose_words()
    if not words:
        remedy = "install Docker's compose plugin or docker-compose"
        if os.geteuid() != 0 or not packages.available():
            fail(f"neither `docker compose` nor docker-compose works here: {remedy}")
        with alone():
            packages.update()
            package = packages.first_known(*packages.COMPOSE)
            say(f"installing {package}")
            packages.install(package)
        words = _compose_words()
        if not words:
            fail(f"the package {package} brought no compose that works: {remedy}")
    sys.stdout.write(f"{words}\n")
    return 0


def _compose_words() -> str:
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and succeeds(*words, "version"):
            return " ".join(words)
    return ""


def _mount_cgroups() -> None:
    """A machine without an init system may have mounted none, and an engine does not start without."""
    mounted = [line.split()[2] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    if not {"cgroup", "cgroup2"} & set(mounted):
        subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=False)


def _start() -> None:
    if packages.SYSTEMD.is_dir() and endpoint() == DEFAULT and not FLAGS:
        say("starting docker.service")
        if subprocess.run(["systemctl", "start", "docker.service"], check=False).returncode:
            _give_up("systemd could not start docker.service", None)
        Started(0, "", "docker.service").write()
        _await_answer(None)
        return
    log = STATE / "dockerd.log"
    say(f"starting dockerd, log {log}")
    command = ["dockerd", "--host", endpoint(), "--pidfile", str(STATE / "dockerd.pid"), *FLAGS]
    with log.open("wb") as output:
        # A session of its own: what ends the caller's terminal, or its process group, must not end it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    Started(process.pid, _start_time(process.pid)).write()
    _await_answer(process)


def _await_answer(process: "subprocess.Popen[bytes] | None") -> None:
    """Until it answers; the death of dockerd ends it at once."""
    poller = select.poll()
    descriptor = os.pidfd_open(process.pid) if process is not None else None
    if descriptor is not None:
        poller.register(descriptor, select.POLLIN)
    end = time.monotonic() + START_S
    try:
        while not (verdict := look()).usable:
            dead = bool(poller.poll(POLL_MS))
            if dead or time.monotonic() > end:
                why = (
                    "dockerd ended"
                    if dead
                    else f"dockerd did not answer within {START_S:g} s ({verdict.text})"
                )
                _give_up(why, process)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _give_up(why: str, process: "subprocess.Popen[bytes] | None") -> NoReturn:
    (STATE / "started.json").unlink(missing_ok=True)
    if process is None:
        tail = ["journalctl", "--unit=docker", f"--lines={LOG_LINES}", "--no-pager"]
        subprocess.run(tail, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        fail(f"{why}; `journalctl -u docker` has its whole log")
    _end(process.pid)
    lines = (STATE / "dockerd.log").read_text(encoding="utf-8", errors="replace").splitlines()
    telling = [line for line in lines if "level=info" not in line] or lines
    sys.stderr.write("".join(f"{line}\n" for line in telling[-LOG_LINES:]))
    fail(f"{why}; its whole log is {STATE}/dockerd.log (flags for it go into SEATRIAL_DOCKERD_FLAGS)")


def down() -> int:
    """Stop what `up` has started."""
    if not STATE.is_dir():
        say("docker/engine has started no engine here, so it stops none")
        return 0
    with alone():
        started = Started.read()
        if started is None:
            say("docker/engine has started no engine here, so it stops none")
        elif started.unit:
            subprocess.run(["systemctl", "stop", "docker.socket", started.unit], check=False)
            say(f"{started.unit} is stopped")
        else:
            try:
                _end(started.pid)
            except PermissionError:
                fail(f"dockerd (process {started.pid}) is root's: run `sudo docker/engine down`")
            say("dockerd is stopped")
        (STATE / "started.json").unlink(missing_ok=True)
    return 0


def _end(pid: int) -> None:
    """SIGTERM, by which dockerd stops its containers; SIGKILL when that takes too long."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        for number, seconds in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
            signal.pidfd_send_signal(descriptor, number)
            if poller.poll(int(seconds * 1000)):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="docker/engine", description="A container engine on demand.")
    parser.add_argument("command", choices=("status", "up", "down", "compose"), nargs="?", default="status")
    command = parser.parse_args().command
    return {"status": status, "up": up, "down": down, "compose": compose}[command]()


if __name__ == "__main__":
    sys.exit(main())
