"""E-mail templates by locale, and their rendering.

A template is a text file `templates/<locale>/<notification type>.txt`: the first line is `Subject: ` and the subject, the
second is empty, the rest is the body. `{field}` stands for a field of the payload.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from notification.catalogue import Catalogue
from notification.language import FALLBACK, lookup

FOLDER: Final = Path(__file__).parent / "templates"
LOCALES: Final = ("en", "de", "fr")
"""What every type that is sent by e-mail has a template in."""

MAX_SUBJECT: Final = 200
"""Characters of a subject; more are cut off. A header line may be 998 octets long (RFC 5322, section 2.1.1)."""
MAX_VALUE: Final = 500
"""Characters of one value in a text; more are cut off."""
MAX_VALUE_IN_SUBJECT: Final = 80

_HEAD: Final = re.compile(r"Subject: (\S.*)\n\n(?=\S)")
_PLACEHOLDER: Final = re.compile(r"\{([^{}\n]*)\}")
# Marks that change the direction of the text around them: a name must not rearrange the sentence that it stands in.
_BIDI: Final = dict.fromkeys(
    (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
)


class TemplateError(ValueError):
    """A template is wrong, missing, or cannot be filled in; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An e-mail's words. The subject is one line; the body's lines end in LF."""

    locale: str
    subject: str
    body: str


class Template:
    """One template: literal text and the names of fields, in turn."""

    def __init__(self, name: str, text: str, fields: Iterable[str]) -> None:
        """Raises TemplateError for a text of another form, or a placeholder that is none of `fields`."""
        head = _HEAD.match(text)
        if head is None:
            raise TemplateError(
                f"{name}: does not begin with a subject (write 'Subject: ...', an empty line, and the body)"
            )
        if any(unicodedata.category(character) == "Cc" and character != "\n" for character in text):
            raise TemplateError(f"{name}: contains a control character (write plain text)")
        known = frozenset(fields)
        self.subject = _segments(name, head[1], known)
        self.body = _segments(name, text[head.end() :].rstrip("\n") + "\n", known)

    @property
    def placeholders(self) -> frozenset[str]:
        """The fields that it shows."""
        return frozenset((*self.subject[1::2], *self.body[1::2]))

    def render(self, locale: str, payload: Mapping[str, object]) -> Rendered:
        """Fills in a payload's values. Raises TemplateError when a field is missing."""
        try:
            subject = _fill(self.subject, payload, MAX_VALUE_IN_SUBJECT)
            body = _fill(self.body, payload, MAX_VALUE)
        except KeyError as missing:
            raise TemplateError(f"the payload has no {missing}") from None
        return Rendered(locale, bounded(subject, MAX_SUBJECT), body)


class Templates:
    """Every template, by locale and notification type."""

    def __init__(self, catalogue: Catalogue, folder: Path = FOLDER) -> None:
        """Reads them. Raises TemplateError when one is missing, wrong, or of no type that is sent by e-mail."""
        mailed = {name for name, known in catalogue.items() if "email" in known.channels}
        self.by_locale: dict[str, dict[str, Template]] = {}
        for locale in LOCALES:
            files = {path.stem: path for path in (folder / locale).glob("*.txt")}
            for problem, names in (("is missing", mailed - set(files)), ("has no type", set(files) - mailed)):
                if names:
                    raise TemplateError(f"templates/{locale}/{min(names)}.txt: {problem}")
            self.by_locale[locale] = {
                name: Template(
                    f"templates/{locale}/{name}.txt", path.read_text("utf-8"), catalogue[name].fields
                )
                for name, path in sorted(files.items())
            }

    def get(self, locale: str, notification_type: str) -> Template:
        """The template. Raises TemplateError when there is none."""
        try:
            return self.by_locale[locale][notification_type]
        except KeyError:
            raise TemplateError(f"there is no template of {notification_type} in {locale}") from None

    def render(self, notification_type: str, language: str, payload: Mapping[str, object]) -> Rendered:
        """The e-mail in the locale that serves `language` (BCP 47). Raises TemplateError."""
        locale = lookup(language, self.by_locale) if language else FALLBACK
        return self.get(locale, notification_type).render(locale, payload)


def bounded(text: str, most: int) -> str:
    """The text as one line of at most `most` characters: control and direction marks are gone, white space is one space."""
    cleaned = text.translate(_BIDI)
    cleaned = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} else c for c in cleaned)
    line = " ".join(cleaned.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _segments(name: str, text: str, known: frozenset[str]) -> tuple[str, ...]:
    """Literal text and placeholders' names, in turn."""
    segments = _PLACEHOLDER.split(text)
    for placeholder in segments[1::2]:
        if placeholder not in known:
            raise TemplateError(
                f"{name}: unknown placeholder {{{placeholder}}} (use one of {', '.join(sorted(known))})"
            )
    if any("{" in literal or "}" in literal for literal in segments[::2]):
        raise TemplateError(f"{name}: a brace without its partner (write placeholders as {{field}})")
    return tuple(segments)


def _fill(segments: tuple[str, ...], payload: Mapping[str, object], most: int) -> str:
    parts = list(segments)
    for index in range(1, len(parts), 2):
        parts[index] = bounded(str(payload[parts[index]]), most)
    return "".join(parts)
