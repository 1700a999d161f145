"""What is done when a PostgreSQL server was killed: nothing of it stays, neither a process nor memory nor a file.

Run as a stand-alone file by the warden, without site-packages: `python -I -S postgres_burial.py DIRECTORY`; the harness calls
`bury` itself when it outlives its servers. A killed postmaster leaves three things that no process table leads to: backends
(each leads a session of its own, overwrites its environment, and goes on with its query or stays suspended), a System V shared
memory segment, and its data. All are known by the directory: backends work in it, and `postmaster.pid` names the segment.
"""

import os
import signal
import sys
import time

_PATIENCE = 2.0
_INTERVAL = 0.002
_IPC_RMID = 0


def workers(directory: str) -> "list[int]":
    """The processes whose working directory is in `directory`; none where there is no /proc to tell it."""
    inside = directory.rstrip("/") + "/"
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            place = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        if (place.removesuffix(" (deleted)") + "/").startswith(inside):
            found.append(int(name))
    return found


def end_workers(directory: str) -> bool:
    """Kill them; whether none is left."""
    deadline = time.monotonic() + _PATIENCE
    while pids := workers(directory):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if time.monotonic() > deadline:
            return False
        time.sleep(_INTERVAL)  # noqa: TID251  (stand-alone: it has nothing to import)
    return True


def segment(data: str) -> "int | None":
    """The shared memory segment that a dead server of `data` left: it must be the postmaster's own, and unused."""
    try:
        with open(f"{data}/postmaster.pid", encoding="ascii") as file:
            lines = file.read().splitlines()
        postmaster, known = int(lines[0]), int(lines[6].split()[1])
        with open("/proc/sysvipc/shm", encoding="ascii") as file:
            table = [line.split() for line in file.read().splitlines()]
    except (OSError, ValueError, IndexError):
        return None
    names = table[0]
    for line in table[1:]:
        row = dict(zip(names, line, strict=False))
        if int(row["shmid"]) == known:
            ours = int(row["cpid"]) == postmaster and int(row["nattch"]) == 0
            return known if ours else None
    return None


def free_segment(data: str) -> None:
    """Remove the segment that a dead server of `data` left, if it left one."""
    left = segment(data)
    if left is not None:
        import ctypes

        ctypes.CDLL(None).shmctl(left, _IPC_RMID, None)


def bury(directory: str) -> None:
    """End who works in `directory`, free what servers in it held, and remove it. Idempotent."""
    import shutil

    end_workers(directory)
    for place in (directory, *_folders(directory)):
        free_segment(os.path.join(place, "data"))
    shutil.rmtree(directory, ignore_errors=True)


def _folders(directory: str) -> "list[str]":
    try:
        return [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


if __name__ == "__main__":
    os.chdir("/")
    bury(sys.argv[1])
