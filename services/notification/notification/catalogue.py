"""The notification types that are known: who is told, over which channels, with what payload.

The types are data, `catalogue.json` beside this module. `python -m notification.catalogue` prints them with the payloads' JSON
Schemas, as published in `api/catalogue.json`.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

Channel = Literal["push", "email"]
AudienceKind = Literal["user", "admin_email"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)

PATH: Final = Path(__file__).parent / "catalogue.json"
PUBLISHED: Final = Path(__file__).parent.parent / "api" / "catalogue.json"

KINDS: Final[Mapping[str, Any]] = {
    "id": Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=128, pattern=r"^[!-~]+(?!\n)$", description="An opaque identifier."
        ),
    ],
    "name": Annotated[
        str, msgspec.Meta(min_length=1, max_length=256, description="A name that a person has chosen.")
    ],
    "text": Annotated[str, msgspec.Meta(max_length=4096, description="Free text for people; may be empty.")],
    "word": Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=64,
            pattern=r"^[a-z][a-z0-9_]*(?!\n)$",
            description="A stable word for programs.",
        ),
    ],
    "image_ref": Annotated[
        str,
        msgspec.Meta(
            max_length=512,
            pattern=r"^[!-~]*(?!\n)$",
            description="A container image; empty when it is not known.",
        ),
    ],
    "time_ms": Annotated[
        int, msgspec.Meta(ge=1, le=9_999_999_999_999_999, description="Unix time in milliseconds.")
    ],
}
"""What a field of a payload may be, by the name that the data uses."""


class _Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    summary: str
    audience_kind: AudienceKind
    channels: Annotated[tuple[Channel, ...], msgspec.Meta(min_length=1)]
    payload: dict[str, str]


@dataclass(frozen=True, slots=True)
class NotificationType:
    """One type. `fields` names the payload's fields, all of them required and no others allowed."""

    name: str
    summary: str
    audience_kind: AudienceKind
    channels: tuple[Channel, ...]
    payload: type[msgspec.Struct]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the payload's fields."""
        return self.payload.__struct_fields__


Catalogue = Mapping[str, NotificationType]


def load(path: Path = PATH) -> Catalogue:
    """The catalogue. Raises ValueError for a file that is not one: it is part of the package, so this is a defect."""
    declared = msgspec.json.decode(path.read_bytes(), type=dict[str, _Declared])
    return {name: _compile(name, one) for name, one in declared.items()}


def _compile(name: str, declared: _Declared) -> NotificationType:
    unknown = sorted(set(declared.payload.values()) - set(KINDS))
    if unknown:
        raise ValueError(f"{name}: unknown kind of field {', '.join(unknown)} (use {', '.join(KINDS)})")
    if declared.audience_kind == "admin_email" and declared.channels != ("email",):
        raise ValueError(f"{name}: administrators are reached by e-mail alone (set channels to email)")
    payload = msgspec.defstruct(
        "Payload",
        [(field, KINDS[kind]) for field, kind in declared.payload.items()],
        frozen=True,
        forbid_unknown_fields=True,
        kw_only=True,
    )
    return NotificationType(name, declared.summary, declared.audience_kind, declared.channels, payload)


def document(catalogue: Catalogue) -> dict[str, Any]:
    """What is published of the catalogue: each type with its payload's JSON Schema (2020-12)."""
    types = {}
    for name, known in catalogue.items():
        _, components = msgspec.json.schema_components([known.payload])
        schema = components["Payload"]
        del schema["title"]
        types[name] = {
            "summary": known.summary,
            "audience_kind": known.audience_kind,
            "channels": list(known.channels),
            "payload": schema,
        }
    return {
        "description": "Notification types that notification knows, by name: who is told, over which channels, and the JSON "
        "Schema of the payload. An intent of any other type, or with another payload, is set aside.",
        "types": types,
    }


def text() -> str:
    """The published file, byte for byte."""
    return msgspec.json.format(msgspec.json.encode(document(load())), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
