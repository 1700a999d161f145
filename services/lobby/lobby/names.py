"""Names that people choose: a game's, and a race's within its game."""

import unicodedata
from typing import Final

GAME_NAME_MAX: Final = 64
RACE_NAME_MAX: Final = 32

# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt): they show nothing, so two names that differ in
# them alone look the same.
_INVISIBLE: Final = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip


class InvalidName(Exception):
    """The text is no name; the message says why, as the end of a sentence that begins with the field."""


def game_name(text: str) -> str:
    """Give a game's name as it is kept: NFC, spaces tidied, 1 to 64 characters. Raises InvalidName."""
    return _tidy(text, GAME_NAME_MAX)


def race_name(text: str) -> str:
    """Give a race's name as it is shown: NFC, spaces tidied, 1 to 32 characters also in NFKC. Raises InvalidName."""
    shown = _tidy(text, RACE_NAME_MAX)
    if len(race_key(shown)) > RACE_NAME_MAX:
        raise InvalidName(f"has more than {RACE_NAME_MAX} characters in its compatibility form")
    return shown


def race_key(shown: str) -> str:
    """Give what is compared: two names of a game with the same key are the same name.

    Compatibility caseless matching (Unicode Standard, section 3.13, D147): full width and half width, ligatures, upper
    and lower case are one. Decomposed before it is folded: folding turns some marks into letters, whose order then stays.
    Runs of spaces, some of which only the compatibility form brings to light, are one.
    """
    folded = unicodedata.normalize("NFKD", shown).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _tidy(text: str, longest: int) -> str:
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "C" or category in {"Zl", "Zp"} or _invisible(ord(character)):
            raise InvalidName(
                f"contains U+{ord(character):04X}, which is a control or an invisible character"
            )
    shown = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(shown) <= longest:
        raise InvalidName(f"has {len(shown)} characters (give 1 to {longest})")
    if not any(unicodedata.category(character)[0] in "LN" for character in shown):
        raise InvalidName("has neither a letter nor a digit")
    return shown


def _invisible(code: int) -> bool:
    return any(first <= code <= last for first, last in _INVISIBLE)
