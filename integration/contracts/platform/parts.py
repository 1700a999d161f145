"""One booted service of the platform: its process, its admin listener, its database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Generic, Literal, TypeVar

from contracts.admin import Admin
from contracts.authsession.service import AUTHSESSION
from contracts.gateway.edge import Edge
from contracts.gateway.public import GatewayHttp
from contracts.gateway.service import GATEWAY
from contracts.lobby import service as lobby
from contracts.notification import service as notification
from contracts.rtmanager import service as rtmanager
from seatrial import Process, Service
from seatrial.stores.postgres_database import Database
from seatrial.stores.postgres_template import Template

C = TypeVar("C")
Part = Literal["gateway", "authsession", "lobby", "notification", "rtmanager"]

SERVICES: Final[dict[Part, Service]] = {
    "gateway": GATEWAY,
    "authsession": AUTHSESSION,
    "lobby": lobby.LOBBY,
    "notification": notification.NOTIFICATION,
    "rtmanager": rtmanager.RTMANAGER,
}
DATABASES: Final[dict[Part, Template]] = {
    "lobby": lobby.DATABASE,
    "notification": notification.DATABASE,
    "rtmanager": rtmanager.DATABASE,
}


@dataclass
class Node(Generic[C]):
    """One process and the client of its HTTP listener; instances of one service share a database."""

    process: Process
    connect: Callable[[str], C] = field(repr=False)
    database: Database | None = None

    @cached_property
    def http(self) -> C:
        """Its own operations."""
        return self.connect(self.process.url("http"))

    @cached_property
    def admin(self) -> Admin:
        """Its admin operations."""
        return Admin(self.process.url("admin"))

    @property
    def data(self) -> Database:
        """Its database; raises AssertionError for a service without one."""
        if self.database is None:
            raise AssertionError(f"{self.process.name} has no database")
        return self.database


class GatewayNode(Node[GatewayHttp]):
    """One gateway: it has a gRPC listener as well."""

    @cached_property
    def edge(self) -> Edge:
        """A gRPC connection to it; made when it is first asked for."""
        return Edge(str(self.process.address("grpc")), self.http.signing_keys())

    def close(self) -> None:
        """Ends the connection, if there is one; the next use makes another."""
        edge = self.__dict__.pop("edge", None)
        if edge is not None:
            edge.close()

    def restart(self) -> None:
        """Stops the gateway and starts it again: its HTTP addresses stay, gRPC gets another one."""
        self.close()
        self.process.restart()
