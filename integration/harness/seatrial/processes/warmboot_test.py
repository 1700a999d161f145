"""A warm boot is a boot: a program that says all it knows of itself, booted both ways, says the same."""

import json
import os
import re
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from seatrial.conftest import Children, Script
from seatrial.errors import SpawnError
from seatrial.processes import proctree
from seatrial.processes.listener import Listener
from seatrial.processes.process import Process
from seatrial.processes.supervisor import Supervisor
from seatrial.processes.warmboot import Mode
from seatrial.waiting import until

LATE = """
import ctypes, gc, json, locale, random, resource, threading, time, warnings
LIBC = ctypes.CDLL(None)
LIBC.getenv.restype = ctypes.c_char_p
"""
FACTS = """
def status(name):
    with open('/proc/self/status') as file:
        return dict(line.rstrip().split(':', 1) for line in file)[name].strip()
def descriptors():
    found = {}
    for name in sorted(os.listdir('/proc/self/fd'), key=int):
        try:
            found[name] = [os.readlink(f'/proc/self/fd/{name}').split(':')[0], os.get_inheritable(int(name))]
        except OSError:
            pass
    return found
pdeathsig = ctypes.c_int()
LIBC.prctl(2, ctypes.byref(pdeathsig), 0, 0, 0)
this = sys.modules['__main__']
with open('/proc/self/cmdline', 'rb') as file:
    cmdline = file.read().rstrip(bytes(1)).decode()
say(json.dumps({
    'session': [os.getpid() == os.getsid(0) == os.getpgid(0), int(os.environ.get('LISTEN_PID', os.getpid())) == os.getpid()],
    'parent': os.getppid(), 'cwd': os.getcwd(),
    'environment': {name: value for name, value in os.environ.items() if name not in ('LISTEN_PID', 'NOTIFY_SOCKET')},
    'seen by C': [name for name in os.environ if LIBC.getenv(os.fsencode(name)) != os.fsencode(os.environ[name])],
    'gone for C': [name for name in ('OLDPWD', 'SEATRIAL_NEVER') if LIBC.getenv(name.encode())],
    'descriptors': descriptors(),
    'masks': [status(name) for name in ('SigBlk', 'SigIgn', 'SigCgt', 'ShdPnd')],
    'handlers': [str(signal.getsignal(n)).split(' at ')[0] for n in sorted(signal.valid_signals())],
    'umask': status('Umask'), 'pdeathsig': pdeathsig.value, 'threads': status('Threads'), 'name': status('Name'),
    'limits': [resource.getrlimit(n) for n in range(16)],
    'cmdline': cmdline, 'argv': sys.argv, 'orig_argv': sys.orig_argv, 'executable': sys.executable, 'prefix': sys.prefix,
    'path': sys.path, 'flags': str(sys.flags), 'warnoptions': sys.warnoptions, 'filters': str(warnings.filters),
    'main': {name: str(getattr(this, name, '-')) for name in ('__name__', '__file__', '__spec__', '__package__', '__doc__')},
    'main names': sorted(vars(this)), 'collector': [gc.isenabled(), gc.get_threshold(), gc.callbacks],
    'thread': [threading.current_thread().name, threading.main_thread().native_id == os.getpid()],
    'streams': [str([s.fileno(), s.encoding, s.errors, s.line_buffering, s.isatty()])
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    'stdin': sys.stdin.read(), 'locale': locale.setlocale(locale.LC_ALL), 'encoding': locale.getpreferredencoding(),
    'zone': [time.tzname, time.localtime(0).tm_hour], 'cpu': time.process_time() < 5,
}))
say(f'chance {random.random()}')
serve()
"""
SHELL = {"_", "SHLVL"}  # what a /bin/sh that is bash leaves in the environment of what it executes
MODES: tuple[Mode, ...] = ("cold", "warm")
PASSED = [Listener(name=name, kind="passed") for name in ("http", "admin")]


def boot(children: Children, binary: Script, mode: Mode, **fields: Any) -> Process:
    return children.spawn(binary, {"boot": mode}, name=binary.path.name, **fields)


def facts(children: Children, binary: Script, mode: Mode, **fields: Any) -> dict[str, Any]:
    process = boot(children, binary, mode, **fields)
    process.wait_ready()
    assert process.boot == mode
    log = process.log.text().replace(str(process.log.path), "LOG")
    said: dict[str, Any] = json.loads(log.splitlines()[0])
    for name in SHELL:
        said["environment"].pop(name, None)
    assert process.stop().code == 0
    assert process.problems() == ()
    return said


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"COLOUR": "bl\udcfcu=e", "EMPTY": "", "OLDPWD": "/x"},
        {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONUNBUFFERED": "1"},
        {
            "LC_ALL": "C",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONUTF8": "0",
            "PYTHONWARNINGS": "ignore",
            "PYTHONHASHSEED": "7",
        },
    ],
    ids=["plain", "own", "start", "interpreter"],
)
def test_both_modes_give_a_process_the_same(
    children: Children, tmp_path: Path, environment: dict[str, str]
) -> None:
    binary = Script.write(tmp_path / "bin", "probe", LATE, FACTS)
    arguments = ["", "two words", "$HOME", "a'b\"c", "line\nbreak", "ü"]
    fields = {"environment": environment, "arguments": arguments, "listeners": PASSED}
    seen = {mode: facts(children, binary, mode, **fields) for mode in MODES}
    assert seen["warm"] == seen["cold"]
    # And both are what was asked for, not two of nothing.
    its = seen["warm"]
    assert its["session"] == [True, True]
    assert its["parent"] == os.getpid()
    assert its["environment"]["LISTEN_FDNAMES"] == "http:admin"
    assert its["argv"][1:-1] == arguments[:-1]  # the last one is what the locale makes of it
    assert its["seen by C"] == its["gone for C"] == []
    assert its["pdeathsig"] == signal.SIGKILL
    assert list(its["descriptors"])[:5] == ["0", "1", "2", "3", "4"]
    assert its["name"] == "probe"


def test_a_changed_umask_and_limit_arrive_in_both_modes(children: Children, tmp_path: Path) -> None:
    binary = Script.write(tmp_path / "bin", "probe", LATE, FACTS)
    before = facts(children, binary, "warm")
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    umask = os.umask(0o027)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))
    try:
        seen = {mode: facts(children, binary, mode) for mode in MODES}
    finally:
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_CORE, limits)
    assert seen["warm"] == seen["cold"]
    assert seen["warm"]["umask"] == "0027" != before["umask"]
    assert seen["warm"]["limits"][resource.RLIMIT_CORE][0] == 0


def test_chance_differs_between_processes(children: Children, tmp_path: Path) -> None:
    binary = Script.write(tmp_path / "bin", "probe", LATE + "random.random()\n", FACTS)
    drawn = set()
    for _ in range(2):
        process = boot(children, binary, "warm")
        process.wait_ready()
        drawn.add(process.log.wait_for("chance").line)
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ("ending", "returncode"),
    [
        ("say('done')", 0),
        ("return 78", 78),
        ("sys.exit(300)", 44),
        ("sys.exit('what went wrong')", 1),
        ("os.kill(os.getpid(), signal.SIGABRT)", -signal.SIGABRT),
        ("signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("raise ValueError('no such sail')", 1),
        ("raise SystemExit", 0),
        ("raise SystemExit(-1)", 255),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("os._exit(9)", 9),
        ("print('unflushed', end='')", 0),
        ("import atexit; atexit.register(print, 'at the end'); return 3", 3),
        ("import atexit; atexit.register(lambda: 1 / 0)", 0),
        (
            "import threading; threading.Thread(target=lambda: (threading.main_thread().join(), say('thread'))).start()",
            0,
        ),
        ("async def forgotten(): pass\nforgotten()\nkept = forgotten()", 0),
        ("import weakref\nclass A: pass\nmain.a = A(); weakref.finalize(main.a, say, 'final')", 0),
        ("sys.stdout.close()", 0),
        ("import os as o; o.chdir('/'); say(o.getcwd()); return True", 1),
    ],
)
def test_both_modes_end_the_same(children: Children, tmp_path: Path, ending: str, returncode: int) -> None:
    binary = Script.write(
        tmp_path / "bin", "probe", "import warnings; warnings.simplefilter('always')", ending
    )
    ends = []
    for mode in MODES:
        process = boot(children, binary, mode)
        process.expect_exit()
        status = process.wait_exit()
        log = re.sub(r"0x[0-9a-f]+", "0x", process.log.text())
        # Only what the interpreter itself prints last has the zygote's frames above the script's.
        log = re.sub(r'(?m)^  File ".*zygote.py".*\n(    .*\n)*', "", log)
        ends.append((status.returncode, log))
        assert process.exit_status is not None
        assert process.exit_status.max_rss > 0
    assert ends[0] == ends[1]
    assert ends[1][0] == returncode


def test_what_the_imports_print_is_in_every_log(children: Children, tmp_path: Path) -> None:
    late = "print('to stdout', flush=True); say('WARNING: from an import')"
    binary = Script.write(tmp_path / "bin", "probe", late, "serve()")
    logs = []
    for mode in ("cold", "warm", "warm"):
        process = boot(children, binary, mode)
        process.wait_ready()
        process.stop()
        logs.append(sorted(process.log.text().split("\n")))
        assert [type(problem).__name__ for problem in process.problems()] == ["UnexpectedLog"]
    assert logs[0] == logs[1] == logs[2]


THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (THREAD, r"importing probe_main left 1 thread\(s\) \("),
        ("kept = socket.socket()", r"left descriptor \d+ \(socket:"),
        (
            "import asyncio; kept = asyncio.new_event_loop()",
            r"left descriptor \d+ \(anon_inode:\[eventpoll\]\)",
        ),
        ("kept = subprocess.Popen(['sleep', '1000'])", "left a child process"),
        ("kept = open('/etc/passwd')", r"left descriptor \d+ \(/etc/passwd\)"),
        ("signal.setitimer(signal.ITIMER_REAL, 1000)", "left a running timer"),
        (
            "import grpc; kept = grpc.insecure_channel('127.0.0.1:1')",
            "importing probe_main left .*(thread|descriptor)",
        ),
        ("import grpc; kept = grpc.server(None)", "importing probe_main left .*(thread|descriptor)"),
        ("import no_such_module", "its import failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("sys.exit(3)", "its import failed: SystemExit: 3"),
        ("os._exit(3)", "has ended"),
        ("signal.pause()", r"was not done with its imports after 1 s \(boot_timeout\)"),
    ],
)
def test_what_cannot_be_forked_whole_is_refused(
    children: Children, tmp_path: Path, late: str, reason: str
) -> None:
    binary = Script.write(tmp_path / "bin", "probe", late, "serve()")
    before = {each.pid for each in proctree.descendants(os.getpid())}
    files = set(os.listdir("/dev/fd"))
    for _ in range(2):
        with pytest.raises(
            SpawnError, match=f"service probe: the zygote of its warm boots .*{reason}.*or boot it cold"
        ):
            boot(
                children,
                binary,
                "warm",
                boot_timeout=1.0 if late.startswith("signal") else 30.0,
            )
    assert set(os.listdir("/dev/fd")) <= files
    own = Supervisor.current().own_processes()

    def gone() -> bool:
        return {each.pid for each in proctree.descendants(os.getpid())} <= before | own

    until("what was imported to be gone", gone)
