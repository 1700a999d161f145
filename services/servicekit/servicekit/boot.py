"""The first thing that a service's process does, before it imports anything heavy."""

import gc
import signal


def begin() -> None:
    """Switch the garbage collector off and give SIGINT its default action.

    Importing modules allocates many objects and frees few: with the collector on, a sixth of the boot is spent on
    looking at them. :func:`ready` switches it on again.

    Until the event loop's handlers stand there is nothing to drain, so Ctrl-C ends the process as SIGTERM does, without
    a KeyboardInterrupt's traceback.
    """
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ready() -> None:
    """Move what the boot has made out of the collector's sight, and switch the collector on."""
    gc.freeze()
    gc.enable()
