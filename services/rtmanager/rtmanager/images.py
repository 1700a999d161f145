"""Image references and their versions.

A reference is ``[registry/]name[:tag][@digest]`` as the distribution project defines it
(https://github.com/distribution/reference); a version is the tag, read by Semantic Versioning 2.0.0 with an optional ``v`` in
front. Tags know no ``+``, so there is no build metadata.
"""

import re
from dataclasses import dataclass
from typing import Final

from rtmanager.errors import OperationFailed

MAX_LENGTH: Final = 255

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?"
_REFERENCE: Final = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,128}))?"
)
_NUMBER: Final = r"(0|[1-9][0-9]{0,8})"
_IDENTIFIER: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?")


@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version of a tag."""

    major: int
    minor: int
    patch: int
    suffix: str

    @classmethod
    def parse(cls, tag: str) -> "Version | None":
        """Read a tag; None if it is no semantic version."""
        found = _VERSION.fullmatch(tag)
        if found is None:
            return None
        major, minor, patch, suffix = found.groups()
        return cls(int(major), int(minor), int(patch), suffix or "")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image reference, taken apart. ``str()`` gives the text as it was."""

    text: str
    name: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> "ImageRef":
        """Read a reference. Raises OperationFailed ``start_config_invalid``."""
        found = _REFERENCE.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if found is None:
            raise OperationFailed(
                "start_config_invalid",
                f"{text[:MAX_LENGTH]!r} is not an image reference (give [registry/]name:tag)",
            )
        return cls(text, found["name"], found["tag"] or "", found["digest"] or "")

    @property
    def version(self) -> Version | None:
        """The tag as a version; None if it is none."""
        return Version.parse(self.tag)


def check_patch(present: ImageRef, wanted: ImageRef) -> None:
    """Hold that ``wanted`` only patches ``present``: the same image, the same major and minor version.

    Raises OperationFailed ``image_ref_not_semver`` or ``semver_patch_only``.
    """
    versions = []
    for ref in (present, wanted):
        version = ref.version
        if version is None or ref.digest:
            raise OperationFailed(
                "image_ref_not_semver",
                f"the tag of {ref} is no semantic version (give name:major.minor.patch, such as engine:1.4.2)",
            )
        versions.append(version)
    before, after = versions
    if present.name != wanted.name:
        raise OperationFailed(
            "semver_patch_only",
            f"{wanted} is another image than {present} (a patch changes the patch version; stop and start for more)",
        )
    if (before.major, before.minor) != (after.major, after.minor):
        raise OperationFailed(
            "semver_patch_only",
            f"{wanted} is not a patch of {present}: major and minor must stay (stop and start for more)",
        )
