"""Where the services publish their contracts in this repository."""

from pathlib import Path
from typing import Final

SERVICES: Final = Path(__file__).parents[2] / "services"
GATEWAY_API: Final = SERVICES / "gateway" / "api"
AUTHSESSION_API: Final = SERVICES / "authsession" / "api"
SERVICEKIT_API: Final = SERVICES / "servicekit" / "api"
