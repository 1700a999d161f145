from pathlib import Path

import pytest

import patch
from mutant import Mutant
from patch import PatchError
from tree import Tree

PRICE = "a\nb\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    package = tmp_path / "checkout" / "services" / "shop" / "shop"
    (package / "__pycache__").mkdir(parents=True)
    (tmp_path / "checkout" / "requirements").mkdir()
    (tmp_path / "checkout" / "requirements" / "shop.txt").write_text("")
    for name in ("price.py", "stock.py", "price_test.py", "__pycache__/price.pyc"):
        (package / name).write_text(PRICE)
    return Tree.copy(tmp_path / "checkout", tmp_path / "copy")


def mutant(*files: str, was: str = "a") -> Mutant:
    diffs = (f"--- a/{file}\n+++ b/{file}\n@@ -1,1 +1,1 @@\n-{was}\n+mutated\n" for file in files)
    return Mutant(
        service="shop", name="m", breaks="b", promise="p", boundary="s", patch=patch.parse("".join(diffs))
    )


def content(tree: Tree) -> dict[str, str]:
    return {path.name: path.read_text() for path in tree.services.rglob("*") if path.is_file()}


def test_a_copy_has_what_is_built_and_the_locks(tree: Tree) -> None:
    assert content(tree) == {"price.py": PRICE, "stock.py": PRICE}
    assert (tree.root / "requirements" / "shop.txt").exists()


def test_a_mutant_is_there_while_it_is_tried(tree: Tree) -> None:
    with pytest.raises(KeyboardInterrupt), tree.with_mutant(mutant("shop/shop/price.py")):
        assert content(tree) == {"price.py": "mutated\nb\n", "stock.py": PRICE}
        raise KeyboardInterrupt
    assert content(tree) == {"price.py": PRICE, "stock.py": PRICE}


@pytest.mark.parametrize(
    ("stale", "said"),
    [
        (mutant("shop/shop/price.py", "shop/shop/gone.py"), "there is no such file any more"),
        (mutant("shop/shop/price.py", was="changed since"), "is not there any more"),
    ],
)
def test_a_mutant_that_fits_no_longer_changes_nothing(tree: Tree, stale: Mutant, said: str) -> None:
    with pytest.raises(PatchError, match=said), tree.with_mutant(stale):
        raise AssertionError("it was applied")
    assert content(tree) == {"price.py": PRICE, "stock.py": PRICE}
