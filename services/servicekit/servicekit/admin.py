"""The admin listener: health, readiness and metrics."""

from servicekit.health import Alive, Health, Readiness
from servicekit.http import Operation, Request, Response, Router, json_response
from servicekit.metrics import CONTENT_TYPE, Registry

HEALTH = Operation(
    id="getHealth", method="GET", path="/healthz", summary="Whether the process is alive", response=Alive
)
READINESS = Operation(
    id="getReadiness",
    method="GET",
    path="/readyz",
    summary="Whether every dependency can be reached; asks them now",
    response=Readiness,
    other_responses={503: Readiness},
)
METRICS = Operation(
    id="getMetrics",
    method="GET",
    path="/metrics",
    summary="Metrics in Prometheus' text format 0.0.4",
    media_type=CONTENT_TYPE,
)

OPERATIONS = (HEALTH, READINESS, METRICS)


def admin_router(health: Health, metrics: Registry) -> Router:
    """Make the application of the admin listener."""

    async def get_health(_: Request) -> Response:
        return json_response(Alive("ok"))

    async def get_readiness(_: Request) -> Response:
        readiness = await health.readiness()
        return json_response(readiness, status=200 if readiness.status == "ready" else 503)

    async def get_metrics(_: Request) -> Response:
        return Response(200, metrics.render(), media_type=CONTENT_TYPE)

    handlers = [(HEALTH, get_health), (READINESS, get_readiness), (METRICS, get_metrics)]
    return Router(handlers, listener="admin", metrics=metrics)
