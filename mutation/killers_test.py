from pathlib import Path

import pytest

import killers
from killers import KillersError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / killers.FILE
    assert killers.load(file) == {}
    known = {
        "shop/free": 'suite/price_test.py::test_it["a\\b"]',
        "bank/broke": "suite/x_test.py::test_x",
        "shop/dear": "t",
    }
    killers.save(file, known)
    assert killers.load(file) == known
    assert file.read_text().index("[bank]") < file.read_text().index("[shop]")


@pytest.mark.parametrize("text", ["[shop", 'free = "a"'])
def test_a_file_that_was_not_written_by_it_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / killers.FILE
    file.write_text(text)
    with pytest.raises(KillersError, match="--record"):
        killers.load(file)
