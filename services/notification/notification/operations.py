"""notification's HTTP operations, as the router serves them and as `api/openapi.yaml` publishes them."""

from typing import Final

from servicekit.http import Operation

from notification import wire

_UNAVAILABLE: Final[dict[int, tuple[str, ...]]] = {503: ("service_unavailable",)}
_DEAD_LETTER: Final = "/api/v1/internal/dead-letters/{dead_letter_id}"

GET_INTENT: Final = Operation(
    id="getIntent",
    method="GET",
    path="/api/v1/internal/intents/{idempotency_key}",
    summary="What became of an intent: each route's state, and what was rejected under its key.",
    description=(
        "An intent is kept for NOTIFICATION_RETENTION_MS after its last route was finished, then it is 404, as is a key "
        "that no intent was accepted under. E-mail addresses are masked."
    ),
    response=wire.IntentState,
    errors={404: ("intent_not_found",), **_UNAVAILABLE},
)
LIST_DEAD_LETTERS: Final = Operation(
    id="listDeadLetters",
    method="GET",
    path="/api/v1/internal/dead-letters",
    summary="Routes that were given up, the last to die first, page by page.",
    query=wire.DeadLetterQuery,
    response=wire.DeadLetterPage,
    errors={400: ("invalid_request",), **_UNAVAILABLE},
)
GET_DEAD_LETTER: Final = Operation(
    id="getDeadLetter",
    method="GET",
    path=_DEAD_LETTER,
    summary="One dead letter.",
    response=wire.DeadLetter,
    errors={404: ("dead_letter_not_found",), **_UNAVAILABLE},
)
REPLAY_DEAD_LETTER: Final = Operation(
    id="replayDeadLetter",
    method="POST",
    path=_DEAD_LETTER + "/replay",
    summary="Tries a route that was given up again, with a whole new budget.",
    description=(
        "Idempotent: repeating it changes nothing, and the first reason, actor and time stay. The delivery keeps its id, so "
        "that what had been published all the same is not published twice. A route that is given up once more has a new "
        "dead letter. A discarded one is 409."
    ),
    request=wire.ResolutionRequest,
    response=wire.ReplayResponse,
    errors={404: ("dead_letter_not_found",), 409: ("conflict",), **_UNAVAILABLE},
)
DISCARD_DEAD_LETTER: Final = Operation(
    id="discardDeadLetter",
    method="POST",
    path=_DEAD_LETTER + "/discard",
    summary="Closes a dead letter without sending it.",
    description="Idempotent: the first reason, actor and time stay. A replayed one is 409.",
    request=wire.ResolutionRequest,
    response=wire.DiscardResponse,
    errors={404: ("dead_letter_not_found",), 409: ("conflict",), **_UNAVAILABLE},
)
OPERATIONS: Final = (
    GET_INTENT,
    LIST_DEAD_LETTERS,
    GET_DEAD_LETTER,
    REPLAY_DEAD_LETTER,
    DISCARD_DEAD_LETTER,
)
