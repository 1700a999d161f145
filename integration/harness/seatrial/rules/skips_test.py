import pytest

from seatrial.rules.skips import in_source


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import pytest\ndef test_a():\n    pytest.skip('x')\n", "bare pytest.skip()"),
        (
            "import pytest as p\n@p.mark.skipif(True, reason='x')\ndef test_a(): ...\n",
            "bare @pytest.mark.skipif",
        ),
        ("from pytest import skip as leave\nleave()\n", "bare pytest.skip()"),
        ("from pytest import mark\n@mark.skip\ndef test_a(): ...\n", "bare @pytest.mark.skip"),
        ("import pytest\npytestmark = [pytest.mark.skip('x')]\n", "bare @pytest.mark.skip"),
        ("import pytest\nyaml = pytest.importorskip('yaml')\n", "bare pytest.importorskip()"),
        ("import pytest\nraise pytest.skip.Exception('x')\n", "bare pytest.skip()"),
        ("import unittest\n@unittest.skipUnless(False, 'x')\nclass T: ...\n", "bare unittest.skipUnless"),
        ("from unittest import SkipTest\nraise SkipTest\n", "bare unittest.SkipTest"),
        ("import pytest\ndef test_a():\n    pytest.xfail('x')\n", "bare pytest.xfail()"),
    ],
)
def test_a_bare_skip_is_found_in_the_source(source: str, what: str) -> None:
    violations = in_source(source, "a_test.py")
    assert what in [violation.what for violation in violations]


@pytest.mark.parametrize(
    "source",
    [
        "cursor.skip(3)\n",
        "import pytest\n@pytest.mark.requires('docker')\ndef test_skip(): ...\n",
        "text = 'pytest.skip()'\n",
        "def skip(): ...\nskip()\n",
        "import pytest\n@pytest.mark.xfail(strict=True, reason='x')\ndef test_a(): ...\n",
        "import pytest\nbroken(\npytest.skip()\n",
    ],
)
def test_what_only_looks_like_a_skip_is_left_alone(source: str) -> None:
    assert in_source(source, "a_test.py") == []


def test_a_violation_names_file_line_and_remedy() -> None:
    (violation,) = in_source("import pytest\n\npytest.skip('x')\n", "a_test.py")
    assert str(violation).startswith("a_test.py:3: bare pytest.skip() (require a capability")
