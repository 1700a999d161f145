"""Who was blocked or deleted while his routes waited gets nothing."""

from collections.abc import Sequence

from servicekit.postgres import Database

from notification.lanes import Deliver
from notification.routes import Claimed, Result, Suppressed
from notification.user_states import unreachable


def screened(database: Database, deliver: Deliver) -> Deliver:
    """`deliver`, for those routes alone whose recipients may get something. Raises DatabaseUnavailable besides."""

    async def deliver_allowed(routes: Sequence[Claimed]) -> list[Result]:
        stopped = await unreachable(database, {route.recipient for route in routes})
        allowed = [route for route in routes if route.recipient not in stopped]
        results = iter(await deliver(allowed) if allowed else ())
        return [
            Suppressed(stopped[route.recipient]) if route.recipient in stopped else next(results)
            for route in routes
        ]

    return deliver_allowed
