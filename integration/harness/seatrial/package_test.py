import subprocess
import sys
from pathlib import Path

import pytest

import seatrial

ROOT = str(Path(seatrial.__file__).parents[1])


def test_the_package_costs_nothing_until_it_is_used() -> None:
    code = """
import sys
before = set(sys.modules)
import seatrial
mine = {"seatrial", "importlib", "importlib._bootstrap", "importlib._bootstrap_external"}
loaded = {name for name in set(sys.modules) - before if name.startswith("seatrial.") or name in ("asyncio", "json", "ssl")}
assert loaded == set(), loaded
seatrial.until
assert "seatrial.waiting" in sys.modules
assert "seatrial.processes.process" not in sys.modules
"""
    path = f"import sys; sys.path.insert(0, {ROOT!r})\n"
    subprocess.run([sys.executable, "-I", "-S", "-c", path + code], check=True)


def test_every_name_is_where_it_says() -> None:
    for name in sorted(set(dir(seatrial)) - set(vars(seatrial))):
        assert getattr(seatrial, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = seatrial.nothing


def test_the_core_needs_the_standard_library_only() -> None:
    core = ["leaks", *(f"processes.{name}" for name in ("process", "supervisor", "warden", "readiness"))]
    code = f"import sys; sys.path.insert(0, {ROOT!r})\n" + "\n".join(
        f"import seatrial.{name}" for name in core
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
