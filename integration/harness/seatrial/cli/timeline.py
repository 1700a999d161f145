"""`seatrial timeline`: the page of any test's newest timeline, whether it passed or failed."""

from pathlib import Path

from seatrial.timeline import archive, page


def render(reports: Path, test: str) -> Path:
    """The page of the newest timeline of a test, beside its JSON lines; made anew.

    `test` is a node id, or a part of one that no other test has. Raises NoTimeline.
    """
    kept = archive.newest(reports, test)
    made = kept.path.with_suffix(".html")
    page.write(kept.path, made, title=kept.nodeid)
    return made
