"""Check 9: executing a command at the service that owns its message type."""

from collections.abc import Mapping

from servicekit.client import ClientTimeout, ClientUnavailable, HttpClient

from gateway.rejection import Rejection
from gateway.routing import Route, Routes

MAX_RESPONSE_BYTES = 256 * 1024
COMMANDS_PATH = "/api/v1/internal/commands/"


class Downstream:
    """The services behind the gateway, one client for each route."""

    def __init__(self, routes: Routes, clients: Mapping[str, HttpClient]) -> None:
        """`clients` holds a client for the base URL of each route, with a deadline and MAX_RESPONSE_BYTES."""
        self._routes = routes
        self._clients = clients

    def route(self, message_type: str) -> Route:
        """Check 8: the route of `message_type`. Raises Rejection `unknown_message_type`."""
        route = self._routes.find(message_type)
        if route is None:
            raise Rejection("unknown_message_type", "no service takes this message_type")
        return route

    async def execute(
        self, route: Route, message_type: str, payload: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """The status (200 to 499) and the body that the service answers to the command.

        Never repeated: a command may have been executed even when its answer was lost. Raises Rejection:
        `downstream_timeout` when no answer came in time, `downstream_unavailable` when the service could not be
        reached, failed (5xx), or did not answer in well-formed HTTP of at most MAX_RESPONSE_BYTES.
        """
        try:
            reply = await self._clients[route.base_url].request(
                "POST",
                COMMANDS_PATH + message_type,
                headers={**headers, "content-type": "application/octet-stream"},
                body=payload,
            )
        except ClientTimeout:
            raise Rejection(
                "downstream_timeout", "the service did not answer in time; the command may be executed"
            ) from None
        except ClientUnavailable:
            raise Rejection(
                "downstream_unavailable", "the service cannot be reached; try again later"
            ) from None
        if not 200 <= reply.status <= 499:
            raise Rejection("downstream_unavailable", "the service failed; try again later")
        return reply.status, reply.body
