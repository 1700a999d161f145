"""A gRPC server with the standard health service. Only a service that speaks gRPC imports this (it imports grpc)."""

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from servicekit.listeners import ListenError
from servicekit.parsers import Address


class GrpcServer:
    """Serves gRPC in the running event loop. Servicers are added to :attr:`server` before :meth:`start`."""

    def __init__(
        self,
        address: Address,
        *,
        variable: str,
        interceptors: Sequence[Any] = (),
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """``variable`` is the address' variable, for errors."""
        self._address = address
        self._variable = variable
        # Without this grpcio sets SO_REUSEPORT, and two servers silently share a port.
        self.server = grpc.aio.server(
            interceptors=list(interceptors), options=[("grpc.so_reuseport", 0), *options]
        )
        self.health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)

    async def start(self, *services: str) -> Address:
        """Bind, serve, and report each of these services, and the server as a whole (""), as SERVING.

        Gives the bound address. Raises ListenError, with exit status 71.
        """
        try:
            port = self.server.add_insecure_port(str(self._address))
        except RuntimeError:
            port = 0
        if port == 0:
            raise ListenError(
                71,
                f"{self._variable}: {self._address} cannot be bound, most likely it is in use (give another port)",
            )
        await self.server.start()
        for service in ("", *services):
            await self.health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return Address(self._address.host, port)

    async def drain(self, seconds: float) -> None:
        """Report NOT_SERVING, accept no more calls, and cut off those that run after the budget."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(seconds)
