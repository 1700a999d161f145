"""rtmanager bears its operations in any order, with real containers behind them."""

from random import Random

import pytest

from contracts.paths import RTMANAGER_API
from contracts.platform import platform as platforms
from machine import Record
from seatrial import Environment
from services import CALLS, STEPS, fuzzed


@pytest.mark.requires("docker")
def test_runtimes_of_three_games_in_any_order(
    environment: Environment, image: str, seed: int, record: Record
) -> None:
    def game(chance: Random) -> str:
        return f"g-{seed:x}-{chance.randrange(3)}"

    platform = platforms.boot(environment, parts=["rtmanager"])
    sense = {"game_id": game, "image_ref": lambda _: image}
    reach = {"startRuntime", "stopRuntime", "listRuntimes"}
    fuzzed(platform, "rtmanager", RTMANAGER_API, seed, sense).sequences(CALLS // 10, STEPS, record, reach)
