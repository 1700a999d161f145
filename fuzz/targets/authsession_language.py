"""Target: `Accept-Language` (RFC 9110, 12.5.4), which chooses the locale of a mail."""

from authsession.language import negotiate

SUPPORTED = ("en", "de", "pt-BR", "zh-Hant-TW")


def check(data: bytes) -> bool:
    """Whatever comes, a mail has a locale that there is; what the header excludes is taken only when nothing else is left."""
    header = data.decode("latin-1")
    locale = negotiate(header, SUPPORTED)
    assert locale in SUPPORTED
    assert (
        negotiate(f"{header}, ;", SUPPORTED) == locale or header.count(",") >= 31 or not header.strip(" \t")
    )
    return locale != SUPPORTED[0]
