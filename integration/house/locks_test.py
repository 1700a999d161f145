"""A lock says what it was compiled from, and a stale one is found without a network."""

from pathlib import Path
from typing import Final

import pytest
import uv

from house import locks
from house.locks import Lock, LockError

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one distribution and two locks, the second constrained by the first."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "service").mkdir()
    write_project(tmp_path, "[]")
    (tmp_path / "requirements" / "service.in").write_text("# what it needs\n./service\n")
    (tmp_path / "requirements" / "service-unit.in").write_text("-c service.txt\n./service\n")
    return tmp_path


def write_project(tree: Path, dependencies: str) -> None:
    (tree / "service" / "pyproject.toml").write_text(
        f'[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = {dependencies}\n'
        '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
    )


def compile_all(tree: Path) -> None:
    for lock in locks.all_locks(tree):
        lock.compile([uv.find_uv_bin(), "--offline"])


def faults(tree: Path) -> list[str]:
    return [fault for lock in locks.all_locks(tree) if (fault := lock.fault())]


def test_a_compiled_lock_is_current(tree: Path) -> None:
    compile_all(tree)
    assert faults(tree) == []


def test_a_lock_that_was_never_compiled_is_named_with_the_remedy(tree: Path) -> None:
    assert faults(tree)[0] == "service.txt: No such file or directory (run `nox -s lock`)"


def test_compiling_again_changes_nothing(tree: Path) -> None:
    compile_all(tree)
    before = (tree / "requirements" / "service.txt").read_text()
    compile_all(tree)
    assert (tree / "requirements" / "service.txt").read_text() == before


def test_a_new_line_makes_a_lock_stale_and_a_comment_does_not(tree: Path) -> None:
    compile_all(tree)
    source = tree / "requirements" / "service-unit.in"
    source.write_text(source.read_text() + "# for the tests\n\n")
    assert faults(tree) == []
    source.write_text(source.read_text() + "pytest\n")
    assert [fault.partition(":")[0] for fault in faults(tree)] == ["service-unit.txt"]


def test_a_new_dependency_of_a_distribution_makes_every_lock_with_it_stale(tree: Path) -> None:
    compile_all(tree)
    write_project(tree, '["msgspec"]')
    assert [fault.partition(":")[0] for fault in faults(tree)] == ["service.txt", "service-unit.txt"]


def test_a_lock_is_stale_when_the_lock_that_constrains_it_is_compiled_from_something_else(tree: Path) -> None:
    compile_all(tree)
    source = tree / "requirements" / "service.in"
    source.write_text(source.read_text() + "msgspec\n")
    assert [fault.partition(":")[0] for fault in faults(tree)] == ["service.txt", "service-unit.txt"]


def test_locks_come_after_those_that_constrain_them(tree: Path) -> None:
    (tree / "requirements" / "a.in").write_text("-c service-unit.txt\n")
    assert [lock.name for lock in locks.all_locks(tree)] == ["service", "service-unit", "a"]


def test_locks_that_constrain_each_other_are_an_error(tree: Path) -> None:
    (tree / "requirements" / "service.in").write_text("-c service-unit.txt\n")
    with pytest.raises(LockError, match="constrain each other in a circle"):
        locks.all_locks(tree)


def test_a_path_without_a_distribution_is_named(tree: Path) -> None:
    (tree / "requirements" / "service.in").write_text("./servcie\n")
    with pytest.raises(
        LockError, match=r"servcie/pyproject.toml: No such file .* \(correct the path in the .in file\)"
    ):
        Lock(tree, "service").digest()


def test_what_cannot_be_resolved_is_told_in_the_resolvers_words(tree: Path) -> None:
    (tree / "requirements" / "service.in").write_text("./service\nservice == 2\n")
    with pytest.raises(LockError, match=r"service.in: uv could not resolve it:\n(.|\n)*service"):
        compile_all(tree)


def test_the_locks_of_this_repository_are_current() -> None:
    assert faults(ROOT) == []


def test_the_locks_of_this_repository_have_a_hash_for_everything_and_name_no_place() -> None:
    for lock in locks.all_locks(ROOT):
        lines = [
            line
            for line in lock.compiled.read_text().splitlines()
            if line and not line.lstrip().startswith("#")
        ]
        pins = [line for line in lines if not line.startswith(" ")]
        assert all("==" in pin and pin.endswith("\\") for pin in pins), lock.name
        assert all(line.strip().startswith("--hash=sha256:") for line in lines if line.startswith(" ")), (
            lock.name
        )


def test_a_services_tests_run_with_the_versions_that_the_service_runs_with() -> None:
    def pins(name: str) -> set[str]:
        lines = Lock(ROOT, name).compiled.read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    for lock in locks.all_locks(ROOT):
        if lock.name.endswith("-unit"):
            assert pins(lock.name.removesuffix("-unit")) <= pins(lock.name), lock.name
