"""Seatrial proves that services which pass their own tests also work together.

The names below are imported when they are first used: `seatrial.tier` must work, and fast, where only the standard library is.
"""

from importlib import import_module  # noqa: TID251  (imports only the modules that are named below)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.binary import Command as Command
    from seatrial.binary import PythonBinary as PythonBinary
    from seatrial.child import ExitStatus as ExitStatus
    from seatrial.environment import Environment as Environment
    from seatrial.listener import Address as Address
    from seatrial.listener import Listener as Listener
    from seatrial.logfile import LogFile as LogFile
    from seatrial.process import Process as Process
    from seatrial.readiness import GrpcHealthProbe as GrpcHealthProbe
    from seatrial.readiness import HttpProbe as HttpProbe
    from seatrial.readiness import LogLine as LogLine
    from seatrial.readiness import Notify as Notify
    from seatrial.readiness import TcpProbe as TcpProbe
    from seatrial.service import Service as Service
    from seatrial.timeline import step as step
    from seatrial.waiting import until as until

_HOME = {
    "Address": "listener",
    "Command": "binary",
    "Environment": "environment",
    "ExitStatus": "child",
    "GrpcHealthProbe": "readiness",
    "HttpProbe": "readiness",
    "Listener": "listener",
    "LogFile": "logfile",
    "LogLine": "readiness",
    "Notify": "readiness",
    "Process": "process",
    "PythonBinary": "binary",
    "Service": "service",
    "TcpProbe": "readiness",
    "step": "timeline",
    "until": "waiting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'seatrial' has no attribute {name!r}")
    module = import_module(f"seatrial.{_HOME[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
