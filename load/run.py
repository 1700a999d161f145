"""The command of the tier `load`: `nox -s load -- --to 300`; for a worker, `load/run.py worker --master HOST:PORT`.

Exit status: 0 when the ramp was measured and nothing was wrong, 1 when something was, 2 for a wrong command line, 130
after Ctrl-C.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

import probe
from mistake import Mistake
from options import Helper, parse
from swarm import program, variables
from target import PERMISSION


def join(helper: Helper) -> NoReturn:
    """Becomes a worker: gevent must patch an interpreter before anything else is imported."""
    arguments = ["--master", str(helper.master)]
    for url in helper.permitted:
        arguments += [PERMISSION, url]
    command = program("worker", *arguments)
    os.execve(command[0], command, {**os.environ, **variables()})  # noqa: S606  (no shell, by intent)


def main(words: list[str]) -> int:
    """The program."""
    try:
        asked = parse(words)
        if isinstance(asked, Helper):
            join(asked)
        return probe.run(asked, words)
    except Mistake as mistake:
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {mistake}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
