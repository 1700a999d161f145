"""What is told to whoever called a script of docker/, and what programs answer."""

import subprocess
import sys
from typing import NoReturn


def say(text: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"seatrial: {text}\n")


def fail(text: str) -> NoReturn:
    """End with the reason and the remedy."""
    say(text)
    sys.exit(1)


def succeeds(*command: str) -> bool:
    """Whether a program ends with 0."""
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ran.returncode == 0
