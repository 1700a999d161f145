"""What the commands print with: colour for a terminal, plain text in a pipe, and times as people say them."""

import sys
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH: Final = 240
_MINUTE: Final = 60


def console(*, stderr: bool = False) -> Console:
    """A console; NO_COLOR is heeded, and in a pipe lines are not wrapped to the width of a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else _PIPE_WIDTH,
        highlight=False,
        soft_wrap=True,
        emoji=False,
    )


def plain_table(*columns: str) -> Table:
    """A table without lines: it can be read, grepped and cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def styled(text: str, style: str) -> Text:
    """`text` as it is, whatever brackets it contains, in a style."""
    return Text(text, style=style)


def seconds(span: float | None) -> str:
    """A span of time: `0.42 s`, `12.3 s`, `3 min 5 s`."""
    if span is None:
        return "-"
    if span < 1:
        return f"{span:.2f} s"
    if span < _MINUTE:
        return f"{span:.1f} s"
    return f"{int(span) // _MINUTE} min {int(span) % _MINUTE} s"
