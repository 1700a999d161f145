"""Target: the names of a game's races, and when two are the same."""

import unicodedata

from engine.races import InvalidRacesError, fold, same
from engine.races import check as check_names

from targets.inputs import text


def check(data: bytes) -> bool:
    """Names, one a line, are refused, or each can be told from every other whatever its case and form."""
    given = text(data)
    if given is None:
        return False
    names = given.split("\n")
    try:
        check_names(names)
    except InvalidRacesError as error:
        assert str(error)
        return False
    folded = [fold(name) for name in names]
    assert len(set(folded)) == len(names)
    assert all(folded)
    assert [fold(name) for name in folded] == folded
    assert same(names, [unicodedata.normalize("NFD", name) for name in reversed(names)])
    return True
