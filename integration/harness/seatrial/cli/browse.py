"""Pages for a person: the path is always said, and the page opened where somebody can see it."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Final

from rich.console import Console

from seatrial.cli.output import styled

_DISPLAYS: Final = ("DISPLAY", "WAYLAND_DISPLAY")


def open_page(path: Path, console: Console, *, wanted: bool = True) -> bool:
    """Print where a page is, and open it in the person's browser if that is wanted; whether it was opened.

    It is opened only when there is a display and the standard output is a terminal: not in CI, and not in a pipe.
    `BROWSER` names a browser other than the desktop's, as everywhere.
    """
    console.print(styled("timeline:", "bold"), styled(str(path), ""))
    if not wanted or not sys.stdout.isatty() or not any(map(os.environ.get, _DISPLAYS)):
        return False
    if webbrowser.open(path.resolve().as_uri()):
        return True
    console.print(styled("no browser could be started: open the page by hand, or set BROWSER", "yellow"))
    return False
