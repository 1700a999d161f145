"""One target under libFuzzer: `python -m runner.child TARGET ARGUMENT...`, with libFuzzer's own arguments.

It is started by `runner.libfuzzer`, through a script that takes libFuzzer's arguments alone: to minimise and to merge,
libFuzzer starts itself again by its first argument.

Atheris' hooks of `re` and `str` stay off: their patterns refuse arguments that real ones take (`match(text, place)`), so that
the standard library's own parsers fail under them.
"""

import ctypes
import os
import signal
import sys
import traceback
from typing import Final

from runner import room

NOT_INSTRUMENTED: Final = 3
"""The exit status when there is no coverage to be guided by."""
EXCEPTION: Final = "=== Uncaught Python exception: ==="
"""The line before an exception that a target has not expected."""
LAUNCHER: Final = "SEATRIAL_FUZZ_LAUNCHER"
"""The variable with the path of the script."""
SHARED: Final = ("servicekit", "targets")
"""What is instrumented beside the package under test: what all services share, and the branches of the target itself."""
_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Have the kernel end this process with the one that started it."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def instrumented(package: str) -> list[str]:
    """The modules of a package that were loaded with counters in them."""
    return [
        name
        for name, module in sys.modules.items()
        if name.partition(".")[0] == package
        and type(getattr(module, "__loader__", None)).__module__.startswith("atheris.")
    ]


def main() -> int:
    """Run the target until libFuzzer has had enough."""
    die_with_parent()
    name, *arguments = sys.argv[1:]
    import atheris
    from atheris.import_hook import instrument_imports

    package = room.package(name)
    with instrument_imports(include=[package, *SHARED]):
        check = room.load(name)
    if not instrumented(package):
        sys.stderr.write(
            f"no module of {package} could be instrumented: the target imports none of its code\n"
        )
        return NOT_INSTRUMENTED

    def once(data: bytes) -> None:
        try:
            check(data)
        except BaseException as error:  # noqa: BLE001  (whatever it is, it was not expected)
            told = [*traceback.format_exception_only(error), *traceback.format_exception(error)]
            sys.stderr.write(f"\n{EXCEPTION}\n{''.join(told)}")
            sys.stderr.flush()
            # Not raised: libFuzzer would keep the input only after the interpreter has taken itself apart, and that has put the
            # handler of its alarm away already.
            os.abort()

    atheris.Setup([os.environ[LAUNCHER], *arguments], once)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
