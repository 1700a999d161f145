"""The words that the workers report with, for those who read them without gevent."""

from typing import Final

OK: Final = "OK"
"""The outcome of a call that was answered as expected."""
ACTION: Final = "action"
"""The request type of a whole action; the others are its calls."""
EXECUTE: Final = "ExecuteCommand"
"""The request type of a gateway command."""
