"""Where the services publish their contracts in this repository."""

from pathlib import Path
from typing import Final

SERVICES: Final = Path(__file__).parents[2] / "services"
GATEWAY_API: Final = SERVICES / "gateway" / "api"
AUTHSESSION_API: Final = SERVICES / "authsession" / "api"
SERVICEKIT_API: Final = SERVICES / "servicekit" / "api"
LOBBY_API: Final = SERVICES / "lobby" / "api"
RTMANAGER_API: Final = SERVICES / "rtmanager" / "api"
NOTIFICATION_API: Final = SERVICES / "notification" / "api"
ENGINE_API: Final = SERVICES / "engine" / "api"
