"""The engine's HTTP operations, as the router serves them and as `api/openapi.yaml` publishes them."""

from typing import Final

from servicekit.health import Alive
from servicekit.http import Operation

from engine import wire

_READING: Final[dict[int, tuple[str, ...]]] = {503: ("state_corrupt", "state_unreadable")}
_WRITING: Final[dict[int, tuple[str, ...]]] = {**_READING, 507: ("state_unwritable",)}

HEALTH: Final = Operation(
    id="getHealth",
    method="GET",
    path="/healthz",
    summary="Whether the process is alive.",
    response=Alive,
)
INIT: Final = Operation(
    id="initGame",
    method="POST",
    path="/api/v1/admin/init",
    summary="Makes the game.",
    description="Idempotent: the same races again, in any order and spelling, give the game as it is. Other races are 409.",
    request=wire.InitRequest,
    response=wire.GameStatus,
    errors={409: ("conflict",), **_WRITING},
)
STATUS: Final = Operation(
    id="getStatus",
    method="GET",
    path="/api/v1/admin/status",
    summary="The whole game in short; also before there is one.",
    response=wire.StatusResponse,
    errors=_READING,
)
TURN: Final = Operation(
    id="playTurn",
    method="POST",
    path="/api/v1/admin/turn",
    summary="Plays the next turn with the orders that were given.",
    description="With `expected_turn` a repeated call does no harm: it is 409 `stale_turn`.",
    query=wire.TurnQuery,
    response=wire.GameStatus,
    errors={409: ("game_not_initialized", "game_finished", "stale_turn"), **_WRITING},
)
PUT_ORDERS: Final = Operation(
    id="putOrders",
    method="PUT",
    path="/api/v1/orders/{race}",
    summary="Gives all orders of a race for the next turn, in place of earlier ones.",
    description="All or nothing: an order that the rules forbid is 400 `invalid_order`, named by its place, and changes nothing.",
    request=wire.OrdersRequest,
    response=wire.OrdersAccepted,
    errors={
        400: ("invalid_order",),
        404: ("race_not_found",),
        409: ("game_not_initialized", "game_finished", "stale_turn"),
        **_WRITING,
    },
)
GET_REPORT: Final = Operation(
    id="getReport",
    method="GET",
    path="/api/v1/reports/{race}",
    summary="What a race sees after the last turn.",
    response=wire.Report,
    errors={404: ("race_not_found",), 409: ("game_not_initialized",), **_READING},
)
OPERATIONS: Final = (HEALTH, INIT, STATUS, TURN, PUT_ORDERS, GET_REPORT)
