"""rtmanager's HTTP operations, as the router serves them and as `api/openapi.yaml` publishes them."""

from collections.abc import Mapping, Sequence
from typing import Final

from servicekit.http import Operation

from rtmanager import wire

_BASE: Final = "/api/v1/internal/runtimes"
_CALLER: Final = {
    "X-Caller": "Who asks: gm or admin (default admin). Kept as op_source in the operation log."
}
_REPLAY: Final = {"X-Error-Code": "replay_no_op when nothing had to be done; else absent."}
_STORE: Final[Mapping[int, Sequence[str]]] = {503: ("service_unavailable",)}
_BOTH: Final[Mapping[int, Sequence[str]]] = {503: ("service_unavailable", "docker_unavailable")}
_ENDS: Final = (
    "Answers when it is done. One operation at a time runs on a game: meanwhile another one is 409 `conflict`. If the answer "
    "is lost, repeat it: what was begun is finished, also by another instance or after a crash, and is not done twice."
)

LIST_RUNTIMES: Final = Operation(
    id="listRuntimes",
    method="GET",
    path=_BASE,
    summary="The runtimes, by game_id, page by page.",
    query=wire.RuntimeQuery,
    response=wire.RuntimePage,
    errors=_STORE,
)
GET_RUNTIME: Final = Operation(
    id="getRuntime",
    method="GET",
    path=f"{_BASE}/{{game_id}}",
    summary="One runtime.",
    response=wire.Runtime,
    errors={404: ("not_found",), **_STORE},
)
LIST_OPERATIONS: Final = Operation(
    id="listOperations",
    method="GET",
    path=f"{_BASE}/{{game_id}}/operations",
    summary="The operation log of a game, newest first, page by page.",
    description="A game on which nothing was ever done has an empty log, not 404.",
    query=wire.OperationQuery,
    response=wire.OperationPage,
    errors=_STORE,
)
START_RUNTIME: Final = Operation(
    id="startRuntime",
    method="POST",
    path=f"{_BASE}/{{game_id}}/start",
    summary="Starts the engine of a game.",
    description=(
        f"{_ENDS} Running with the same image is a success that changes nothing; with another image it is `conflict`. A stopped "
        "or removed one gets a new container; the game's state directory is the same."
    ),
    request=wire.StartRequest,
    request_headers=_CALLER,
    response=wire.Runtime,
    response_headers=_REPLAY,
    errors={
        400: ("start_config_invalid",),
        409: ("conflict",),
        502: ("image_pull_failed", "container_start_failed"),
        **_BOTH,
    },
)
STOP_RUNTIME: Final = Operation(
    id="stopRuntime",
    method="POST",
    path=f"{_BASE}/{{game_id}}/stop",
    summary="Stops the engine of a game; its container stays.",
    description=f"{_ENDS} A stopped one is a success that changes nothing, a removed one is `conflict`.",
    request=wire.StopRequest,
    request_headers=_CALLER,
    response=wire.Runtime,
    response_headers=_REPLAY,
    errors={404: ("not_found",), 409: ("conflict",), **_BOTH},
)
RESTART_RUNTIME: Final = Operation(
    id="restartRuntime",
    method="POST",
    path=f"{_BASE}/{{game_id}}/restart",
    summary="Replaces the container of a game by a new one of the same image, and starts it.",
    description=(
        f"{_ENDS} The running engine is stopped only when all that the new one needs is there. A stopped one is started."
    ),
    request_headers=_CALLER,
    response=wire.Runtime,
    errors={
        400: ("start_config_invalid",),
        404: ("not_found",),
        409: ("conflict",),
        502: ("image_pull_failed", "container_start_failed"),
        **_BOTH,
    },
)
PATCH_RUNTIME: Final = Operation(
    id="patchRuntime",
    method="POST",
    path=f"{_BASE}/{{game_id}}/patch",
    summary="Replaces the container of a game by a new one of another patch version, and starts it.",
    description=(
        f"{_ENDS} The image may differ in the patch version (and suffix) only, up or down. Running with that very image is a "
        "success that changes nothing. The running engine is stopped only when all that the new one needs is there."
    ),
    request=wire.PatchRequest,
    request_headers=_CALLER,
    response=wire.Runtime,
    response_headers=_REPLAY,
    errors={
        400: ("start_config_invalid", "image_ref_not_semver"),
        404: ("not_found",),
        409: ("conflict", "semver_patch_only"),
        502: ("image_pull_failed", "container_start_failed"),
        **_BOTH,
    },
)
CLEANUP_RUNTIME: Final = Operation(
    id="cleanupRuntime",
    method="DELETE",
    path=f"{_BASE}/{{game_id}}",
    summary="Removes the container of a stopped game.",
    description=(
        f"{_ENDS} A running one is `conflict`: stop it first. A removed one is a success that changes nothing. The state "
        "directory is never deleted."
    ),
    request_headers=_CALLER,
    response=wire.Runtime,
    response_headers=_REPLAY,
    errors={404: ("not_found",), 409: ("conflict",), **_BOTH},
)
OPERATIONS: Final = (
    LIST_RUNTIMES,
    GET_RUNTIME,
    LIST_OPERATIONS,
    START_RUNTIME,
    STOP_RUNTIME,
    RESTART_RUNTIME,
    PATCH_RUNTIME,
    CLEANUP_RUNTIME,
)
