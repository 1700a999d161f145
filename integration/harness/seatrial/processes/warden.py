"""The warden: a tiny process that outlives a killed test runner for as long as it takes to clean up after it.

Run as a stand-alone file, without site-packages: `python -I -S warden.py NAME=value DIRECTORY`. It reads the runner's pipe
from stdin: "+PID" when a session was started, "-PID" when nothing of it is left, and "@" with a command (JSON) that must be
run when all this is done. The pipe's end means that the runner is gone (one that ends in peace ends its warden first). Then
it kills every process that carries `NAME=value` in its environment or belongs to one of the sessions, until none is left,
starts the commands (what is no process, like a container, is for them to clean up), and removes the directory.

Two ways to know them, because each has a gap: programs overwrite their environment (to set their title) or clear it, and
daemons leave their session.
"""

import os
import signal
import sys
import time

_PATIENCE = 5.0
_QUIET = 0.1  # a process that was just being started shows its environment only after its exec


def sessions(text: bytes) -> set[int]:
    """The sessions that were started and not ended, from all that the runner wrote; a cut last line is left out."""
    started: set[int] = set()
    for line in text.split(b"\n")[:-1]:
        if line.startswith(b"+"):
            started.add(int(line[1:]))
        elif line.startswith(b"-"):
            started.discard(int(line[1:]))
    return started


def last_will(text: bytes) -> "list[bytes]":
    """The commands that were left, each once, in the order in which they came; a cut last line is left out."""
    return list(dict.fromkeys(line[1:] for line in text.split(b"\n")[:-1] if line.startswith(b"@")))


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _carries(pid: int, marker: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return marker in file.read().split(b"\0")
    except OSError:
        return False


def _ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


def sweep(marker: bytes, started: set[int]) -> bool:
    """Kill everything that belongs to the run; whether there was anything."""
    if not os.path.isdir("/proc/self"):
        found = False
        for session in started:
            try:
                os.killpg(session, signal.SIGKILL)
                found = True
            except OSError:
                continue
        return found
    found = False
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        if pid == os.getpid() or not (_session_of(pid) in started or _carries(pid, marker)):
            continue
        if not _ended(pid) and _kill(pid):
            found = True
    return found


def _remove(directory: str) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def _execute(will: "list[bytes]") -> None:
    import json

    for command in will:
        words = json.loads(command)
        # Sessions of their own: nobody waits for them, and nothing that ends this process ends them.
        os.posix_spawn(words[0], words, os.environ, setsid=True)


def main() -> None:
    """Wait for the runner's end, then clean up after it."""
    os.chdir("/")
    marker, directory = sys.argv[1].encode(), sys.argv[2]
    text = b""
    while chunk := os.read(0, 65536):
        text += chunk
    started = sessions(text)
    begun = quiet_since = time.monotonic()
    while time.monotonic() - begun < _PATIENCE and time.monotonic() - quiet_since < _QUIET:
        if sweep(marker, started):
            quiet_since = time.monotonic()
        time.sleep(0.005)  # noqa: TID251  (stand-alone: it has nothing to import)
    _execute(last_will(text))
    _remove(directory)


if __name__ == "__main__":
    main()
