"""The zygote: a process that has imported a service's modules, and then does nothing but fork the service.

Run as a stand-alone file by the service's own interpreter, `python zygote.py SCRIPT MODULE...`, with a sequenced-packet socket
as descriptor 3. It imports what SCRIPT imports at its top level, then each MODULE, and says `{"ready": true}`, or
`{"refused": reason}` when the imports left anything that a fork would not carry over whole: a thread, a descriptor (a socket,
an event loop, a gRPC channel), a child, a timer.

For each packet with a socket that it receives it makes a new process and answers `{"pid": number}`, or `{"error": reason}`. The
new process is a child of the *runner*: the zygote forks twice, and the kernel gives the orphan to the nearest ancestor that
adopts orphans (PR_SET_CHILD_SUBREAPER). So the runner waits for it, signals it and reads its exit status as it does for one
that it has spawned. It waits at its socket for a packet with descriptors: a file with a job in JSON, the output, and the sockets
to pass. Then it becomes what execve(2) would have made of it, and runs SCRIPT as `__main__`.

What stays the zygote's: the hash seed, the environment that the imports saw and that /proc/PID/environ shows, niceness,
affinity and namespaces; the objects of the imports are frozen in the collector's permanent generation. And at the end, after
its threads, its exit handlers and a last collection, the process does not take its modules apart one by one: that would write
to, and so copy, every page that it shares with the zygote (25 ms for 20 MB).
"""

import sys

# As if SCRIPT had been started: nothing may ever be imported from the folder of this file.
sys.path[0] = sys.argv[1].rpartition("/")[0]

import ast  # noqa: E402
import atexit  # noqa: E402
import ctypes  # noqa: E402
import fcntl  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import threading  # noqa: E402
from collections.abc import Collection  # noqa: E402
from contextlib import suppress  # noqa: E402
from importlib import import_module  # noqa: E402, TID251  (the names come from the service's description)
from importlib.machinery import SourceFileLoader  # noqa: E402
from types import CodeType, ModuleType  # noqa: E402

_FIRST_PASSED = 3
_MOST_DESCRIPTORS = 250  # SCM_MAX_FD of the kernel is 253
_ROOM = 1024  # descriptors that are on their way to their numbers wait above this one, if they may
_CANNOT_START = 126
_PR_SET_PDEATHSIG = 1
_LONGEST_NAME = 15
_libc = ctypes.CDLL(None)


def _text(raw: str) -> str:
    """The bytes of a job, as this interpreter decodes what it is started with; in JSON each byte is a character."""
    return os.fsdecode(raw.encode("latin-1"))


def preload(script: str, modules: list[str]) -> CodeType:
    """Import what `script` imports at its top level, then `modules`; the script's code, compiled."""
    with open(script, "rb") as file:
        tree = ast.parse(file.read(), script)
    named: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named.append(node.module)
    for module in (*named, *modules):
        import_module(module)
    return compile(tree, script, "exec")


def unfit(control: int) -> str | None:
    """What the imports left that a fork would not carry over whole; None when there is nothing."""
    found = []
    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        names = []
        for thread in threads:
            if int(thread) != os.getpid():
                with open(f"/proc/self/task/{thread}/comm") as file:
                    names.append(file.read().strip())
        found.append(f"{len(names)} thread(s) ({', '.join(sorted(names))})")
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        if int(name) in (0, 1, 2, control):
            continue
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the one that listed them
        found.append(f"descriptor {name} ({target})")
    try:
        os.waitpid(-1, os.WNOHANG)
        found.append("a child process")
    except ChildProcessError:
        pass
    if any(signal.getitimer(timer)[0] for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL)):
        found.append("a running timer")
    return ", ".join(found) or None


class Argv:
    """The memory in which the kernel finds the command line of this process."""

    def __init__(self) -> None:
        # proc_pid_stat(5): arg_start and arg_end are the fields 48 and 49, the name's parenthesis ends the second.
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        self._start, end = int(fields[45]), int(fields[46])
        self._room = max(0, end - self._start)

    def show(self, words: list[str]) -> None:
        """Show `words`, as many as there is room for."""
        if self._room:
            text = b"".join(os.fsencode(word) + b"\0" for word in words)[: self._room - 1]
            ctypes.memmove(self._start, text.ljust(self._room, b"\0"), self._room)


def close_all(*, besides: Collection[int]) -> None:
    """Close every descriptor but 0, 1, 2 and those in `besides`."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in besides:
            with suppress(OSError):  # the one that listed them
                os.close(int(name))


def receive(channel: socket.socket) -> list[int]:
    """The descriptors of the next packet; ends the process when the runner is gone, or wants nothing more of it."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(channel, 1, _MOST_DESCRIPTORS)
    except OSError:
        os._exit(0)
    if not packet:
        os._exit(0)
    return descriptors


class Zygote:
    """The loop that forks; `next_job` returns in new processes only."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._runner = os.getppid()
        self._coerced = os.environ.get("LC_CTYPE")
        self._argv = Argv()

    def say(self, **message: object) -> None:
        """Answer the runner; one that is gone has no more jobs."""
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            os._exit(0)

    def next_job(self) -> None:
        """Fork a process for each socket until the runner is gone; return in one that has become what its job says."""
        while True:
            (channel,) = receive(self._control)
            released, release = os.pipe()
            told, tell = os.pipe()
            try:
                helper = os.fork()
            except OSError as error:
                os.write(tell, f"cannot fork: {error.strerror}".encode())
                helper = None
            if helper == 0 and self._is_new(tell):
                os.close(release)
                self._wait_for_job(channel, released)
                return
            for descriptor in (channel, released, tell):
                os.close(descriptor)
            answer = os.read(told, 256).decode()
            os.close(told)
            if helper is not None:
                # At its end the kernel gives the new process to the runner, which may know it from now on.
                os.waitpid(helper, 0)
            self.say(**({"pid": int(answer)} if answer.isdigit() else {"error": answer}))
            os.close(release)

    @staticmethod
    def _is_new(tell: int) -> bool:
        """In the helper: fork, and end; True in the process that the helper leaves."""
        try:
            pid = os.fork()
        except OSError as error:
            os.write(tell, f"cannot fork: {error.strerror}".encode())
            os._exit(1)
        if pid:
            os.write(tell, b"%d" % pid)
            os._exit(0)
        return True

    def _wait_for_job(self, channel: int, released: int) -> None:
        """A child of the runner that dies with it, and leads its session; it becomes what it is told to become."""
        self._control.detach()
        os.setsid()
        os.read(released, 1)
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != self._runner:  # it ended before this process would have died with it
            os.kill(os.getpid(), signal.SIGKILL)
        close_all(besides=(channel,))
        waiting = socket.socket(fileno=channel)
        descriptors = receive(waiting)
        waiting.detach()
        self._become(*descriptors)

    def _become(self, file: int, output: int, *passed: int) -> None:
        """All that execve(2) and the spawning process would have done."""
        for target in (1, 2):  # what goes wrong from here on is told where the service would tell it
            os.dup2(output, target)
        job = json.loads(os.pread(file, os.fstat(file).st_size, 0))
        command = [_text(word) for word in job["command"]]
        directory = _text(job["directory"])
        self._argv.show([sys.executable, *command])
        with open("/proc/self/comm", "w") as comm:
            comm.write(os.path.basename(command[0])[:_LONGEST_NAME])
        os.environ.clear()
        os.environ.update({_text(name): _text(value) for name, value in job["environment"].items()})
        os.environ.pop("OLDPWD", None)  # as the shell of a cold boot does
        if self._coerced is not None:  # by this interpreter at its start, as it would be again (PEP 538)
            os.environ.setdefault("LC_CTYPE", self._coerced)
        os.environ["PWD"] = directory
        if passed:
            os.environ["LISTEN_PID"] = str(os.getpid())
        os.umask(job["umask"])
        # Above every target first: else one target could overwrite the source of the next.
        above = _FIRST_PASSED + len(passed)
        for target, source in enumerate(
            [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in passed], _FIRST_PASSED
        ):
            os.dup2(source, target)
        close_all(besides=range(_FIRST_PASSED, above))
        try:
            os.chdir(directory)
            for number, limits in job["limits"]:
                if resource.getrlimit(number) != tuple(limits):
                    resource.setrlimit(number, limits)
        except (OSError, ValueError) as error:
            os.write(2, f"{command[0]}: cannot be started in {directory}: {error}\n".encode())
            os._exit(_CANNOT_START)
        sys.argv[:] = command
        sys.orig_argv[:] = [sys.executable, *command]
        threading.main_thread().__dict__["_native_id"] = (
            threading.get_native_id()
        )  # only later versions do so
        gc.enable()


class End:
    """The last exit handler of a forked process: what Py_FinalizeEx does after it is left out, and so are its page copies."""

    def __init__(self) -> None:
        self.status: int | None = None
        # The first one registered is called last, when all threads and other handlers are done.
        atexit.register(self)

    def __call__(self) -> None:
        """End the process with the status, if that is known."""
        if self.status is None:
            return
        # What was forgotten is told by its destructors.
        gc.collect()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        os._exit(self.status)


def run(code: CodeType, script: str, end: End) -> None:
    """Run `script` as the interpreter does."""
    module = ModuleType("__main__")
    module.__dict__.update(
        __file__=script, __cached__=None, __loader__=SourceFileLoader("__main__", script), __annotations__={}
    )
    module.__dict__["__builtins__"] = __builtins__
    former = sys.modules["__main__"]
    sys.modules["__main__"] = module
    end.status = 0
    try:
        exec(code, module.__dict__)  # noqa: S102  (the service's console script)
    except SystemExit as asked:
        number = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
        end.status = number & 0xFF
        raise
    except Exception as error:  # noqa: BLE001  (as the interpreter would, without the frames of this file)
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        end.status = 1
    except BaseException:
        end.status = None  # KeyboardInterrupt becomes the signal's death after all
        raise
    finally:
        del former


def main() -> int:
    """Import, refuse or fork; in each new process, run the script."""
    script, *modules = sys.argv[1:]
    # Out of the way of the descriptors that services are passed.
    room = min(_ROOM, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1)
    control = socket.socket(fileno=fcntl.fcntl(_FIRST_PASSED, fcntl.F_DUPFD_CLOEXEC, room))
    os.close(_FIRST_PASSED)
    for name in ("LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "PWD"):
        os.environ.pop(name, None)
    zygote = Zygote(control)
    end = End()
    gc.disable()
    try:
        code = preload(script, modules)
    except BaseException as error:
        zygote.say(refused=f"its import failed: {type(error).__name__}: {error}")
        raise
    sys.stdout.flush()
    sys.stderr.flush()
    problem = unfit(control.fileno())
    if problem is not None:
        zygote.say(refused=f"importing {', '.join(modules) or 'its script'} left {problem}")
        return 1
    gc.freeze()
    zygote.say(ready=True)
    zygote.next_job()
    run(code, script, end)
    return 0


if __name__ == "__main__":
    sys.exit(main())
