import pytest

import patch
from patch import PatchError

TEXT = "one\ntwo\nthree\nfour\nfive\nsix\n"
DIFF = """words before the diff
--- a/shop/price.py
+++ b/shop/price.py
@@ -2,3 +2,3 @@ def price():
 two
-three
+THREE
 four
"""


def applied(diff: str, text: str) -> str:
    ((path, hunks),) = patch.parse(diff).items()
    return patch.apply(path, text, hunks)


def test_a_patch_changes_what_it_shows() -> None:
    assert applied(DIFF, TEXT) == TEXT.replace("three", "THREE")


def test_a_place_may_have_moved() -> None:
    assert applied(DIFF, "zero\n" * 5 + TEXT) == "zero\n" * 5 + TEXT.replace("three", "THREE")


def test_what_was_moved_moves_what_comes_after_it() -> None:
    again = DIFF + "@@ -5,1 +5,2 @@\n five\n+more\n"
    moved = "zero\n" + TEXT + "five\n"  # in two places now: that behind the first hunk is meant
    assert applied(again, moved) == "zero\none\ntwo\nTHREE\nfour\nfive\nmore\nsix\nfive\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("three", "3"), "is not there any more"),
        (TEXT.replace("four", "4"), "is not there any more"),
        (TEXT.replace("two\n", " two\n"), "is not there any more"),
        ("", "is not there any more"),
        ("zero\n" + TEXT + TEXT, "fits in 2 places"),
    ],
)
def test_a_place_that_is_gone_or_doubtful_is_an_error(text: str, said: str) -> None:
    with pytest.raises(PatchError, match=said) as caught:
        applied(DIFF, text)
    assert "shop/price.py" in str(caught.value)


def test_hunks_apply_in_their_order_or_not_at_all() -> None:
    swapped = DIFF + "@@ -1,1 +1,1 @@\n-one\n+ONE\n"
    with pytest.raises(PatchError, match="line 1"):
        applied(swapped, TEXT)


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        ("no diff at all\n", "no diff"),
        ("--- a/x\n+++ b/y\n@@ -1,1 +1,1 @@\n-a\n+b\n", "of one file"),
        ("--- /dev/null\n+++ b/x\n@@ -0,0 +1,1 @@\n+b\n", "of one file"),
        ("--- a/x\n+++ b/x\n", "no hunk"),
        ("--- a/x\n+++ b/x\nwords\n", "no hunk's header"),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n-a\n+b\n", "does not have the lines"),
        ("--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n-a\n*b\n", "does not have the lines"),
        ("--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n a\n", "changes nothing"),
        (DIFF + DIFF.partition("\n")[2], "comes twice"),
    ],
)
def test_what_is_no_patch_is_an_error(diff: str, said: str) -> None:
    with pytest.raises(PatchError, match=said):
        patch.parse(diff)
