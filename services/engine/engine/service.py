"""The service's parts, put together."""

from pathlib import Path
from typing import Final

from servicekit.app import Context, Service
from servicekit.listeners import Listener

from engine.config import PREFIX, Config
from engine.handlers import Handlers
from engine.store import Store
from engine.table import Table


async def start(context: Context[Config]) -> None:
    """Starts the service. The state is read when it is asked for first: a damaged one is told by /readyz and every call."""
    config = context.config
    table = Table(Store(Path(config.state_path)), seed=config.seed)
    state = context.health.dependency("state", table.check)
    context.serve_operations("http", Handlers(table, state).routes())


SERVICE: Final = Service(
    name="engine",
    prefix=PREFIX,
    config=Config,
    listeners=(Listener("http", "0.0.0.0:8080"), Listener("admin", "127.0.0.1:8081")),
    start=start,
    description="A small turn-based game, one process for each running game.",
)
