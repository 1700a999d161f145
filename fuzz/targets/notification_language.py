"""Target: the language that a user prefers, and the locale that serves it (RFC 4647, lookup)."""

from notification.language import FALLBACK, is_tag, lookup

LOCALES = ("en", "de", "pt-BR", "zh-Hant")


def check(data: bytes) -> bool:
    """There is a locale for everything; it is a beginning of the tag, or the fallback."""
    tag = data.decode("latin-1")
    locale = lookup(tag, LOCALES)
    assert locale in LOCALES
    if not is_tag(tag):
        assert locale == FALLBACK
        return False
    assert locale == FALLBACK or f"{tag.lower()}-".startswith(f"{locale.lower()}-")
    return True
