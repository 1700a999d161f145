"""Where the services' sources are, and the contracts that they publish.

`SEATRIAL_SERVICES` names the folder `services` of another tree, to drive what was built from it: an older revision, or a
copy with a fault. The locks `requirements/<service>.txt` beside that folder are part of such a tree.
"""

import os
from pathlib import Path
from typing import Final

from contracts.errors import ContractFileError

VARIABLE: Final = "SEATRIAL_SERVICES"


def _services() -> Path:
    given = os.environ.get(VARIABLE)
    if not given:
        return Path(__file__).parents[2] / "services"
    folder = Path(given).resolve()
    if not (folder / "servicekit").is_dir():
        raise ContractFileError(
            f"{VARIABLE}: {folder} holds no services (name the folder `services` of a checkout, or unset it)"
        )
    return folder


SERVICES: Final = _services()
GATEWAY_API: Final = SERVICES / "gateway" / "api"
AUTHSESSION_API: Final = SERVICES / "authsession" / "api"
SERVICEKIT_API: Final = SERVICES / "servicekit" / "api"
LOBBY_API: Final = SERVICES / "lobby" / "api"
RTMANAGER_API: Final = SERVICES / "rtmanager" / "api"
NOTIFICATION_API: Final = SERVICES / "notification" / "api"
ENGINE_API: Final = SERVICES / "engine" / "api"
