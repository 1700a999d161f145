"""Target: names of games and races, and when two names of races are the same."""

import unicodedata

from lobby.names import GAME_NAME_MAX, RACE_NAME_MAX, InvalidName, game_name, race_key, race_name

from targets.inputs import text


def check(data: bytes) -> bool:
    """A name is refused, or it is tidy, stays as it is when given again, and is the same whatever its case, width or form."""
    given = text(data)
    if given is None:
        return False
    try:
        shown = race_name(given)
    except InvalidName as error:
        assert str(error)
        return False
    assert race_name(shown) == shown
    assert 1 <= len(shown) <= RACE_NAME_MAX < GAME_NAME_MAX
    assert game_name(given) == shown
    key = race_key(shown)
    assert key
    assert len(key) <= RACE_NAME_MAX
    assert key == race_key(key)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert race_key(unicodedata.normalize(form, shown)) == key
    assert race_key(shown.casefold()) == key
    assert race_key(f" {shown}  ") == key
    return True
