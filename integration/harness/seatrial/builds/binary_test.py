"""Small distributions are really built with uv, by one process and by many, and builds are really cut short."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.builds import buildcache
from seatrial.builds.binary import BinaryError, Command, PythonBinary
from seatrial.builds.buildcache import COMPLETE, KEPT, cache_directory
from seatrial.builds.progress import progress
from seatrial.conftest import Children, Inner
from seatrial.waiting import until

PROJECT = """
[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
[project]
name = "{name}"
version = "0.1"
requires-python = ">=3.11"
dependencies = {dependencies}
{scripts}
[tool.uv.build-backend]
module-name = "{name}"
module-root = ""
"""
RESOLVE = """
import sys
from pathlib import Path
from seatrial.builds.binary import PythonBinary
root = Path(sys.argv[1])
print(*PythonBinary(name="demo", source=root / "demo", lock=root / "lock.txt", script="demo").command())
"""


def write_project(
    directory: Path, name: str, body: str, dependencies: str = "[]", scripts: bool = True
) -> None:
    (directory / name).mkdir(parents=True)
    scripts_table = f'[project.scripts]\n{name} = "{name}:main"' if scripts else ""
    text = PROJECT.format(name=name, dependencies=dependencies, scripts=scripts_table)
    (directory / "pyproject.toml").write_text(text)
    (directory / name / "__init__.py").write_text(body)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout in an odd place, with a service `demo` and an empty lock, and a cache of its own."""
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(buildcache, "_in_use", {})
    root = tmp_path / "odd place, ünd so"
    write_project(root / "demo", "demo", "import sys\ndef main() -> None: print('demo', *sys.argv[1:])\n")
    (root / "lock.txt").write_text("# nothing\n")
    yield root
    for descriptor in buildcache._in_use.values():
        os.close(descriptor)


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What progress says."""
    lines: list[str] = []
    monkeypatch.setattr(progress, "report", lines.append)
    return lines


def demo(root: Path, **changes: Any) -> PythonBinary:
    return PythonBinary(
        **{"name": "demo", "source": root / "demo", "lock": root / "lock.txt", "script": "demo", **changes}
    )


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def tree(directory: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(directory.rglob("*"))}


def test_it_is_built_once_with_its_bytecode_and_without_its_tests(
    root: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (root / "demo" / "demo" / "demo_test.py").write_text("")
    before = tree(root)
    script = demo(root).resolve()
    assert output(script, "a b") == "demo a b\n"
    assert any("building the wheel of demo" in line for line in lines)
    package = next(script.parents[1].glob("lib/python*/site-packages/demo"))
    assert [path.name for path in package.iterdir() if path.is_file()] == ["__init__.py"]
    assert list((package / "__pycache__").glob("__init__.*.pyc"))
    assert tree(root) == before
    lines.clear()
    assert demo(root).resolve() == script
    assert lines == []


@pytest.mark.parametrize("cache", ["cache", "odd cache, ünd so"])
def test_it_boots_warm_as_it_boots_cold(
    root: Path, children: Children, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(root / cache))  # in an odd place, a shell starts the interpreter
    binary = demo(root, preload=("json",))
    for mode in ("cold", "warm"):
        process = children.spawn(binary, {"boot": mode}, arguments=["a b"])
        process.expect_exit(code=0)
        assert (process.wait_exit().code, process.log.text()) == (0, "demo a b")


def test_libraries_are_built_beside_it(root: Path) -> None:
    write_project(root / "kit", "kit", "WORD = 'kit'\n", scripts=False)
    (root / "demo" / "demo" / "__init__.py").write_text("import kit\ndef main() -> None: print(kit.WORD)\n")
    text = (root / "demo" / "pyproject.toml").read_text()
    (root / "demo" / "pyproject.toml").write_text(text.replace("dependencies = []", 'dependencies = ["kit"]'))
    with pytest.raises(BinaryError, match=r"the lock lacks what the wheels require(.|\n)*kit"):
        demo(root).resolve()
    first = demo(root, libraries=(root / "kit",)).resolve()
    assert output(first) == "kit\n"
    (root / "kit" / "kit" / "__init__.py").write_text("WORD = 'new'\n")
    second = demo(root, libraries=(root / "kit",)).resolve()
    assert output(second) == "new\n"
    assert second != first


def test_locked_dependencies_are_installed_by_their_hash(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from uv import find_uv_bin

    write_project(tmp_path / "dep", "dep", "WORD = 'locked'\n", scripts=False)
    wheels = tmp_path / "wheels"
    output(find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", wheels, tmp_path / "dep")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    (root / "demo" / "demo" / "__init__.py").write_text("import dep\ndef main() -> None: print(dep.WORD)\n")
    (root / "lock.txt").write_text("dep==0.1\n")
    with pytest.raises(BinaryError, match="compile the lock again"):
        demo(root).resolve()
    (root / "lock.txt").write_text(f"dep==0.1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(BinaryError, match="compile the lock again"):
        demo(root).resolve()
    requirements = tmp_path / "dep.in"
    requirements.write_text("dep\n")
    lock = output(find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", requirements)
    (root / "lock.txt").write_text(lock)
    assert output(demo(root).resolve()) == "locked\n"


def test_the_content_decides_and_tests_and_caches_do_not_count(root: Path) -> None:
    def digest(**changes: Any) -> str:
        binary = demo(root, **changes)
        return binary.digest()

    first = digest()
    for name in (
        "demo/demo/x_test.py",
        "demo/conftest.py",
        "demo/demo/__pycache__/x.pyc",
        "demo/dist/x.whl",
        "demo/.git/HEAD",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    assert digest() == first
    assert digest(script="other") != first
    (root / "lock.txt").write_text("# another\n")
    second = digest()
    assert second != first
    module = root / "demo" / "demo" / "__init__.py"
    status = module.stat()
    module.write_text(module.read_text().replace("print", "Print"))
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))  # the same size and time
    third = digest()
    assert third != second
    (root / "demo" / "demo" / "dist").mkdir()
    (root / "demo" / "demo" / "dist" / "__init__.py").write_text("")
    assert digest() != third


def test_a_link_that_leads_back_does_not_trap_it(root: Path) -> None:
    (root / "demo" / "demo" / "loop").symlink_to(root / "demo")
    (root / "demo" / "demo" / "dangling").symlink_to(root / "nowhere")
    assert output(demo(root).resolve()) == "demo\n"


def test_concurrent_runs_build_once(root: Path) -> None:
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", RESOLVE, root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [builder.communicate() for builder in builders]
    assert len({stdout for stdout, _ in said}) == 1
    assert output(said[0][0].strip()) == "demo\n"
    assert sum("demo: built in" in stderr for _, stderr in said) == 1


# A build backend that hangs while a file is there, and afterwards packs the least that a wheel can be.
BACKEND = """
import os, signal, zipfile
def build_wheel(directory, settings=None, metadata=None):
    if os.path.exists({hang!r}):
        open({mark!r}, "w").close()
        signal.pause()
    name = "demo-0.1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("demo.py", "def main() -> None: print('whole')")
        wheel.writestr("demo-0.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 0.1\\n")
        wheel.writestr("demo-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("demo-0.1.dist-info/entry_points.txt", "[console_scripts]\\ndemo = demo:main\\n")
        wheel.writestr("demo-0.1.dist-info/RECORD", "")
    return name
"""


@contextlib.contextmanager
def builder_that_hangs(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    hang, mark = root / "hang", root / "building"
    hang.touch()
    (root / "demo" / "backend.py").write_text(BACKEND.format(hang=str(hang), mark=str(mark)))
    project = root / "demo" / "pyproject.toml"
    text = project.read_text()
    text = text.replace('requires = ["uv_build>=0.9,<1"]', 'requires = []\nbackend-path = ["."]')
    project.write_text(text.replace('build-backend = "uv_build"', 'build-backend = "backend"'))
    builder = subprocess.Popen([sys.executable, "-c", RESOLVE, root], start_new_session=True)
    try:
        until("the build", mark.exists, timeout=20.0)
        yield builder
    finally:
        hang.unlink()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(builder.pid, signal.SIGKILL)
        builder.wait()


def can_lock(path: Path) -> bool:
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_build_that_was_killed_is_made_again_and_not_before_its_last_process_has_ended(root: Path) -> None:
    with builder_that_hangs(root) as builder:
        cache = cache_directory(root / "demo")
        (directory,) = (path for path in cache.iterdir() if path.is_dir())
        lock = directory.with_name(directory.name + ".lock")
        assert not (directory / COMPLETE).exists()
        builder.kill()
        builder.wait()
        # uv outlived its parent, and might still write: it holds the lock.
        assert not can_lock(lock)
    until("uv to end", lambda: can_lock(lock))
    script = demo(root).resolve()
    assert script.parents[2] == directory
    assert output(script) == "whole\n"


def test_a_half_built_directory_is_built_again(root: Path) -> None:
    script = demo(root).resolve()
    directory = script.parents[2]
    (directory / COMPLETE).unlink()
    script.write_text("#!/bin/sh\necho half\n")
    assert output(demo(root).resolve()) == "demo\n"
    assert json.loads((directory / COMPLETE).read_text())["name"] == "demo"


def test_an_environment_whose_interpreter_is_gone_is_built_again(root: Path) -> None:
    script = demo(root).resolve()
    python = script.parent / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert output(demo(root).resolve()) == "demo\n"


def test_old_builds_are_pruned_but_for_those_in_use_and_those_of_others(root: Path) -> None:
    cache = cache_directory(root / "demo")

    def build(name: str, used: int) -> Path:
        directory = cache / name
        directory.mkdir()
        (directory / COMPLETE).write_text("{}")
        os.utime(directory / COMPLETE, (used, used))
        return directory

    old = [build(f"demo-{number:016x}", used=1000 + number) for number in range(KEPT + 2)]
    foreign = build(f"demo-admin-{0:016x}", used=1)
    half = cache / f"demo-{'f' * 16}"
    half.mkdir()
    with old[0].with_name(old[0].name + ".lock").open("w") as user:
        fcntl.flock(user, fcntl.LOCK_SH)
        script = demo(root).resolve()
        assert old[0].exists()
    assert script.exists()
    assert [directory.exists() for directory in old[1:]] == [False] * 2 + [True] * (KEPT - 1)
    assert foreign.exists()
    assert not half.exists()


def test_a_checkout_that_cannot_be_written_has_its_builds_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEATRIAL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    source = tmp_path / "checkout" / "services" / "demo"
    source.mkdir(parents=True)
    (tmp_path / "checkout" / "tiers.toml").touch()
    assert cache_directory(source) == tmp_path / "checkout" / ".seatrial" / "binaries"
    shutil.rmtree(tmp_path / "checkout" / ".seatrial")
    (tmp_path / "checkout" / ".seatrial").touch()  # nothing can be made below a file
    assert cache_directory(source) == tmp_path / "user" / "seatrial" / "binaries"
    (tmp_path / "user" / "seatrial").rename(tmp_path / "elsewhere")
    (tmp_path / "user" / "seatrial").touch()
    with pytest.raises(BinaryError, match="set SEATRIAL_CACHE"):
        cache_directory(source)


def test_each_mistake_has_its_remedy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        BinaryError, match=r"binary demo: .*nowhere has no pyproject.toml; name the directory"
    ):
        demo(root, source=root / "nowhere").resolve()
    with pytest.raises(BinaryError, match=r"lock file .*no.txt cannot be read .*uv pip compile"):
        demo(root, lock=root / "no.txt").resolve()
    with pytest.raises(BinaryError, match=r"no console script 'other'; check \[project.scripts\]"):
        demo(root, script="other").resolve()
    (root / "lock.txt").write_text(f"absent==1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody listens
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BinaryError, match="the package index was not reached"):
        demo(root).resolve()
    (root / "demo" / "pyproject.toml").write_text("[project]\nname = 'Not a name!'\n")
    with pytest.raises(BinaryError, match=r"uv could not make the wheel of .*\n(.|\n)*Not a name!"):
        demo(root).resolve()


def test_a_run_keeps_what_it_resolved_first(root: Path) -> None:
    binary = demo(root)
    first = binary.command()
    (root / "demo" / "demo" / "__init__.py").write_text("def main() -> None: print('edited')\n")
    assert binary.command() == first
    assert output(binary.resolve()) == "edited\n"


def test_a_command_is_looked_up_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command("tool", "--flag")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinaryError, match=f"command tool: not found on PATH .{tmp_path}.*install it"):
        command.command()
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(BinaryError, match="not found on PATH"):
        command.command()
    with pytest.raises(BinaryError, match="is not an executable file"):
        Command(tmp_path / "tool").command()
    (tmp_path / "tool").chmod(0o755)
    assert command.command() == (str(tmp_path / "tool"), "--flag")
    with pytest.raises(BinaryError, match="there is no such file"):
        Command("./nowhere/tool").command()
    assert command == Command("tool", "--flag")
    assert {command, Command("tool", "--flag")} == {command}
    assert repr(command) == "Command('tool', '--flag')"


SUITE = """
from pathlib import Path
from seatrial import PythonBinary

def test_a() -> None:
    root = Path({root!r})
    PythonBinary(name="demo", source=root / "demo", lock=root / "lock.txt", script="demo").command()
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "worker"])
def test_progress_is_seen_in_a_test_run_that_captures(
    root: Path, new_inner: Callable[[str], Inner], options: tuple[str, ...]
) -> None:
    inner = new_inner(SUITE.format(root=str(root)))
    run = inner.run(*options, plugins=["xdist.plugin"] if options else [])
    assert run.status == 0, run.output
    before_the_summary = run.output.partition("= PASSES")[0]
    assert "seatrial: demo: building the wheel of demo" in before_the_summary
    assert "seatrial: demo: built in" in before_the_summary
