"""The Locust users of every scenario. Importing this module needs an interpreter that gevent has patched."""

from typing import Final

from scenarios.commands import Commands
from scenarios.events import Events
from scenarios.player import Player
from scenarios.sign_in import SignIn

USERS: Final[dict[str, type[Player]]] = {"commands": Commands, "events": Events, "sign_in": SignIn}
