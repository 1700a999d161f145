import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.conftest import Argv, Children
from seatrial.errors import SpawnError
from seatrial.processes import spawn
from seatrial.processes.listener import Listener

REPORT = """
import json
def mask(name):
    with open('/proc/self/status') as file:
        return int(dict(line.rstrip().split(':', 1) for line in file)[name].strip(), 16)
def descriptors():
    found = {}
    for name in sorted(set(os.listdir('/proc/self/fd')) - {str(wakeup), str(waker)}, key=int):
        try:
            found[name] = os.readlink(f'/proc/self/fd/{name}')
        except FileNotFoundError:
            pass
    return found
say(json.dumps({
    'pid': os.getpid(), 'session': os.getsid(0), 'cwd': os.getcwd(), 'environment': dict(os.environ),
    'descriptors': descriptors(), 'blocked': mask('SigBlk'), 'ignored': mask('SigIgn'), 'argv': sys.argv,
}))
serve()
"""


def report(children: Children, **fields: object) -> dict[str, object]:
    process = children.start(REPORT, **fields)
    result: dict[str, object] = json.loads(process.log.wait_for("descriptors").line)
    assert result["pid"] == process.pid
    return result


def test_a_child_leads_its_session_in_its_directory(children: Children) -> None:
    its = report(children)
    assert its["session"] == its["pid"]
    assert its["cwd"] == str(children.directory / "work")


def test_the_environment_is_an_allow_list(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "HTTP_PROXY",
        "https_proxy",
        "GATEWAY_HTTP_ADDR",
        "LISTEN_FDS",
    ):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("JAVA_HOME", "/java")
    its = report(children, environment={"CHILD_COLOUR": "blue"}, inherit=["JAVA_HOME"])["environment"]
    assert isinstance(its, dict)
    inherited = set(its) & set(os.environ)
    known = {"PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LOGNAME", "USER", "TZ", "TMPDIR", "SSL_CERT_FILE"}
    assert inherited <= {
        *known,
        "SSL_CERT_DIR",
        "LD_LIBRARY_PATH",
        "LC_CTYPE",
        "JAVA_HOME",
        "PWD",
        "_",
        "SHLVL",
    }
    assert its["JAVA_HOME"] == "/java"
    assert its["CHILD_COLOUR"] == "blue"
    assert its["LC_ALL"] == "C.UTF-8"
    assert "LISTEN_PID" not in its
    assert "OLDPWD" not in its
    assert its["SEATRIAL_RUN"]


def test_sockets_arrive_contiguously_in_their_order(children: Children) -> None:
    listeners = [Listener(name=name, kind="passed") for name in ("http", "admin", "debug")]
    process = children.start(
        "names = os.environ['LISTEN_FDNAMES'].split(':')\nassert os.environ['LISTEN_PID'] == str(os.getpid())\n"
        "sockets = [socket.socket(fileno=3 + n) for n in range(int(os.environ['LISTEN_FDS']))]\n"
        "for name, each in zip(names, sockets): say(f'{name} {each.getsockname()[1]}')\nserve()",
        listeners=listeners,
    )
    seen = dict(line.split() for line in process.log.text().splitlines())
    assert seen == {each.name: str(process.address(each.name).port) for each in listeners}


def test_a_child_has_no_descriptor_that_is_not_its_own(children: Children) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    os.set_inheritable(writing, True)
    try:
        its = report(children, listeners=[Listener(name="http", kind="passed")])["descriptors"]
    finally:
        os.close(reading)
        os.close(writing)
    assert isinstance(its, dict)
    assert set(its) <= {"0", "1", "2", "3"}
    assert its["0"] == "/dev/null"
    assert its["1"] == its["2"] == str(children.directory / "1.log")
    assert its["3"].startswith("socket:")


def test_low_descriptors_of_the_runner_do_not_overwrite_each_other(tmp_path: Path) -> None:
    # In a runner with few descriptors, the sockets and the log have the very numbers that they are to get in the child.
    runner = """
import os, sys, socket
from pathlib import Path
from seatrial.processes.spawn import Launch, spawn
made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
sockets = {"b": made[1], "c": made[0], "a": made[2]}
output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
code = "import socket; print(*[socket.socket(fileno=n).getsockname()[1] for n in (3, 4, 5)])"
pid = spawn(Launch(name="x", command=[sys.executable, "-c", code], environment={}, directory=Path("/"), output=output,
                   sockets={name: each.fileno() for name, each in sockets.items()}))
assert os.waitpid(pid, 0)[1] == 0
print(*[each.getsockname()[1] for each in sockets.values()])
"""
    path = {"PYTHONPATH": str(Path(spawn.__file__).parents[2])}
    output = tmp_path / "log"
    wanted = subprocess.run(
        [sys.executable, "-c", runner, str(output)], env=path, capture_output=True, text=True, check=True
    )
    assert output.read_text() == wanted.stdout
    assert len(set(wanted.stdout.split())) == 3


def test_signals_are_as_a_program_expects_them(children: Children) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        its = report(children)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert its["blocked"] == 0
    ignored = its["ignored"]
    assert isinstance(ignored, int)
    # Python itself ignores SIGPIPE and SIGXFSZ at its start.
    wanted = signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}
    assert [number for number in wanted if ignored >> (number - 1) & 1] == []


def test_arguments_arrive_as_they_are(children: Children) -> None:
    awkward = ["", "two words", "$HOME", "a'b\"c", "-n", "{x}", "*", "line\nbreak", "ü"]
    assert report(children, arguments=awkward)["argv"] == ["-c", *awkward]


def written(path: Path, text: str, mode: int = 0o755) -> Path:
    path.write_text(text, newline="")
    path.chmod(mode)
    return path


def test_a_program_that_is_not_in_the_path_is_named(children: Children) -> None:
    with pytest.raises(
        SpawnError, match=r"service child1: no program 'no-such-program' in PATH \(.*\); install it"
    ):
        children.spawn(Argv(["no-such-program"]))


def test_programs_are_looked_up_in_the_path_of_the_child(children: Children, tmp_path: Path) -> None:
    written(tmp_path / "tool", "#!/bin/sh\necho found by path\n")
    process = children.spawn(Argv(["tool"]), environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    process.expect_exit(code=0)
    process.log.wait_for("found by path")
    process.wait_exit()


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (None, 0, "does not exist; build it first"),
        ("#!/bin/sh\n", 0o644, "is not executable; run: chmod"),
        ("#!/no/such/python\n", 0o755, "asks for the interpreter /no/such/python, which is not there"),
        (
            "#!/usr/bin/env no-such-python\n",
            0o755,
            "asks for the interpreter no-such-python, which is not there",
        ),
        ("#!/bin/sh\r\n", 0o755, "ends in CR LF; store it with LF"),
        ("#!\n", 0o755, "names no interpreter"),
    ],
)
def test_a_program_that_cannot_run_is_named_with_a_remedy(
    children: Children, tmp_path: Path, text: str | None, mode: int, message: str
) -> None:
    program = tmp_path / "tool"
    if text is not None:
        written(program, text, mode)
    with pytest.raises(SpawnError, match=message) as caught:
        children.spawn(Argv([str(program)]))
    assert str(program) in str(caught.value)


def test_a_directory_is_no_program(children: Children, tmp_path: Path) -> None:
    with pytest.raises(SpawnError, match="is not a file"):
        children.spawn(Argv([str(tmp_path)]))


def test_an_empty_command_and_a_nul_are_refused(children: Children) -> None:
    with pytest.raises(SpawnError, match="command is empty"):
        children.spawn(Argv([]))
    with pytest.raises(SpawnError, match="contains a NUL"):
        children.spawn("serve()", arguments=["a\0b"])


def test_arguments_that_are_too_long_are_refused(children: Children) -> None:
    with pytest.raises(SpawnError, match="cannot start .*Argument list too long"):
        children.spawn("serve()", arguments=["x" * 5_000_000])


def test_nothing_remains_of_a_spawn_that_failed(children: Children) -> None:
    children.start("serve()")
    before = sorted(os.listdir("/dev/fd"))
    with pytest.raises(SpawnError):
        children.spawn(Argv(["no-such-program"]), listeners=[Listener(name="http", kind="passed")])
    assert sorted(os.listdir("/dev/fd")) == before


def test_without_setpriv_children_are_spawned_all_the_same(
    children: Children, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spawn.dies_with_parent.cache_clear()
    try:
        with monkeypatch.context() as patch:
            # A setpriv that does not know the option, as BusyBox has it.
            written(tmp_path / "setpriv", "#!/bin/sh\nexit 1\n")
            patch.setenv("PATH", str(tmp_path))
            assert spawn.dies_with_parent() == ()
            patch.setenv("PATH", "/nowhere")
            spawn.dies_with_parent.cache_clear()
            assert spawn.dies_with_parent() == ()
        assert children.start("serve()").stop().code == 0
    finally:
        spawn.dies_with_parent.cache_clear()


def test_without_pidfds_a_thread_sees_the_end(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    process = children.start("serve()")
    assert process.stop().code == 0
    died = children.spawn("sys.exit(9)")
    assert died.wait_exit().code == 9


def test_a_socket_that_is_passed_listens_before_the_spawn_returns(children: Children) -> None:
    process = children.spawn("signal.pause()", listeners=[Listener(name="http", kind="passed")])
    address = process.address("http")
    with socket.create_connection((address.host, address.port)):
        pass
    process.kill()
