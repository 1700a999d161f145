"""Target: image references, their semantic versions, and what is a patch of what."""

from rtmanager.errors import STATUSES, OperationFailed
from rtmanager.images import MAX_LENGTH, ImageRef, Version, check_patch

from targets.inputs import chosen


def check(data: bytes) -> bool:
    """A reference (the first line) is refused with a published code, or its parts are the text; a patch (the second) changes the
    patch version alone, and may be taken back."""
    first, second = chosen(data)
    try:
        present = ImageRef.parse(first)
        assert str(present) == first
        assert len(first) <= MAX_LENGTH
        tag = f":{present.tag}" if present.tag else ""
        digest = f"@{present.digest}" if present.digest else ""
        assert f"{present.name}{tag}{digest}" == first
        if (version := present.version) is not None:
            assert Version.parse(told(version)) == version
        if not second:
            return True
        wanted = ImageRef.parse(second.decode("latin-1"))
        check_patch(present, wanted)
    except OperationFailed as failed:
        assert failed.code in STATUSES
        assert str(failed).endswith((")", "..."))
        return False
    check_patch(wanted, present)
    one, other = present.version, wanted.version
    assert one is not None
    assert other is not None
    assert (present.name, one.major, one.minor) == (wanted.name, other.major, other.minor)
    return True


def told(version: Version) -> str:
    """A version as Semantic Versioning 2.0.0 writes it."""
    suffix = f"-{version.suffix}" if version.suffix else ""
    return f"{version.major}.{version.minor}.{version.patch}{suffix}"
