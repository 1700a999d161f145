"""Seatrial proves that services which pass their own tests also work together.

The names below are imported when they are first used: `seatrial.tier` must work, and fast, where only the standard library is.
"""

from importlib import import_module  # noqa: TID251  (imports only the modules that are named below)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.builds.binary import Command as Command
    from seatrial.builds.binary import PythonBinary as PythonBinary
    from seatrial.containers.container import Container as Container
    from seatrial.containers.image import ContainerImage as ContainerImage
    from seatrial.containers.network import Network as Network
    from seatrial.containers.volume import Volume as Volume
    from seatrial.environment import Environment as Environment
    from seatrial.errors import SeatrialError as SeatrialError
    from seatrial.network.proxy import Proxy as Proxy
    from seatrial.network.stub import HttpStub as HttpStub
    from seatrial.processes.child import ExitStatus as ExitStatus
    from seatrial.processes.listener import Address as Address
    from seatrial.processes.listener import Listener as Listener
    from seatrial.processes.logfile import LogFile as LogFile
    from seatrial.processes.process import Process as Process
    from seatrial.processes.readiness import GrpcHealthProbe as GrpcHealthProbe
    from seatrial.processes.readiness import HttpProbe as HttpProbe
    from seatrial.processes.readiness import LogLine as LogLine
    from seatrial.processes.readiness import Notify as Notify
    from seatrial.processes.readiness import TcpProbe as TcpProbe
    from seatrial.service import Service as Service
    from seatrial.stores.postgres_template import Template as Template
    from seatrial.stores.valkey import Valkey as Valkey
    from seatrial.timeline.steps import step as step
    from seatrial.waiting import until as until

_HOME = {
    "Address": "processes.listener",
    "Command": "builds.binary",
    "Container": "containers.container",
    "ContainerImage": "containers.image",
    "Environment": "environment",
    "HttpStub": "network.stub",
    "Proxy": "network.proxy",
    "SeatrialError": "errors",
    "Template": "stores.postgres_template",
    "Network": "containers.network",
    "Valkey": "stores.valkey",
    "Volume": "containers.volume",
    "ExitStatus": "processes.child",
    "GrpcHealthProbe": "processes.readiness",
    "HttpProbe": "processes.readiness",
    "Listener": "processes.listener",
    "LogFile": "processes.logfile",
    "LogLine": "processes.readiness",
    "Notify": "processes.readiness",
    "Process": "processes.process",
    "PythonBinary": "builds.binary",
    "Service": "service",
    "TcpProbe": "processes.readiness",
    "step": "timeline.steps",
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
