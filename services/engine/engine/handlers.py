"""HTTP requests in, the game's calls, HTTP answers out."""

from msgspec import UNSET
from servicekit import logs
from servicekit.errors import ApiError
from servicekit.health import Alive, Dependency
from servicekit.http import Handler, Operation, Request, Response, json_response

from engine import operations, reports, wire
from engine.orders import InvalidOrderError
from engine.races import InvalidRacesError
from engine.store import StateCorrupt, StateUnreadable, StateUnwritable
from engine.table import Finished, NotInitialized, OtherRaces, StaleTurn, Table, UnknownRace, find

_log = logs.get("engine.handlers")


class Handlers:
    """The handler of each operation."""

    def __init__(self, table: Table, state: Dependency) -> None:
        """`state` is told what a request saw of the disk: a failure is logged once, and so is its end."""
        self._table = table
        self._state = state

    def routes(self) -> list[tuple[Operation, Handler]]:
        """Each operation with its handler."""
        playing: list[tuple[Operation, Handler]] = [
            (operations.INIT, self._init),
            (operations.STATUS, self._status),
            (operations.TURN, self._turn),
            (operations.PUT_ORDERS, self._put_orders),
            (operations.GET_REPORT, self._get_report),
        ]
        return [
            (operations.HEALTH, _health),
            *((operation, self._explaining(handler)) for operation, handler in playing),
        ]

    async def _init(self, request: Request) -> Response:
        document = await request.json(wire.InitRequest)
        game, new = await self._table.begin(document.races)
        if new:
            _log.info("game_initialized", races=len(game.races), systems=len(game.systems), seed=game.seed)
        return json_response(reports.status(game))

    async def _status(self, _: Request) -> Response:
        game = await self._table.look()
        status = None if game is None else reports.status(game)
        return json_response(wire.StatusResponse(initialized=game is not None, game=status))

    async def _turn(self, request: Request) -> Response:
        expected = request.query(wire.TurnQuery).expected_turn
        game = await self._table.play(None if expected is UNSET else expected)
        _log.info("turn_played", turn=game.turn, events=len(game.events), finished=game.finished)
        return json_response(reports.status(game))

    async def _put_orders(self, request: Request) -> Response:
        document = await request.json(wire.OrdersRequest)
        game, race = await self._table.order(request.parameters["race"], document.turn, document.orders)
        return json_response(wire.OrdersAccepted(race=race, turn=game.turn, orders=game.orders[race]))

    async def _get_report(self, request: Request) -> Response:
        game = await self._table.game()
        return json_response(reports.report(game, find(game, request.parameters["race"])))

    def _explaining(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except (StateUnwritable, StateUnreadable, StateCorrupt) as error:
                self._state.down(str(error))
                raise _state_error(error) from None
            except _REFUSALS as error:
                raise _refusal(error) from None
            if request.method not in {"GET", "HEAD"}:  # only a write proves that writing works
                self._state.up()
            return response

        return handle


async def _health(_: Request) -> Response:
    return json_response(Alive("ok"))


_REFUSALS = (
    NotInitialized, OtherRaces, UnknownRace, StaleTurn, Finished, InvalidRacesError, InvalidOrderError
)  # fmt: skip


def _state_error(error: Exception) -> ApiError:
    match error:
        case StateUnwritable():
            return ApiError(
                507, "state_unwritable", "The game's state cannot be written; nothing has changed."
            )
        case StateCorrupt():
            return ApiError(
                503, "state_corrupt", "The game's state is damaged; its operator must restore it."
            )
        case _:
            return ApiError(503, "state_unreadable", "The game's state cannot be read; repeat it later.")


def _refusal(error: Exception) -> ApiError:
    match error:
        case InvalidRacesError():
            return ApiError(400, "invalid_request", f"races: {error}.")
        case InvalidOrderError():
            return ApiError(400, "invalid_order", f"{error}.")
        case UnknownRace():
            return ApiError(404, "race_not_found", "No race of this game has that name.")
        case OtherRaces():
            return ApiError(409, "conflict", "There is a game already, with other races.")
        case StaleTurn():
            return ApiError(409, "stale_turn", f"The game is in turn {error.args[0]}; read the report first.")
        case Finished():
            return ApiError(409, "game_finished", "The game is over.")
        case _:
            return ApiError(
                409, "game_not_initialized", "There is no game yet: POST /api/v1/admin/init makes it."
            )
