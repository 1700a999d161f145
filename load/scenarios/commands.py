"""Players at the lobby: every action is one gateway command."""

from collections import deque
from typing import Final

from scenarios.player import Player, expect

_PAGE: Final = 20
_KNOWN: Final = 50
_CHOICES: Final = ("list", "look", "create", "apply")
_WEIGHTS: Final = (45, 35, 10, 10)


class Commands(Player):
    """Lists games (45 %), looks at one (35 %), makes or opens one of its own (10 %), applies for another's (10 %)."""

    def prepare(self) -> None:
        """Signs in, opens the first game, and sees what there is."""
        self.mine, self.user_id = self.device()
        self.player = self.lobby(self.mine, self.user_id)
        self.draft: str | None = None
        self.games: deque[str] = deque(maxlen=_KNOWN)
        self.others: deque[str] = deque(maxlen=_KNOWN)
        self.games.append(self.player.opened(max_players=64))
        self._list()

    def action(self) -> None:
        """One command, by the weights above."""
        (choice,) = self.chance.choices(_CHOICES, _WEIGHTS)
        if choice == "list":
            self._list()
        elif choice == "look":
            expect(self.player.game(self.chance.choice(self.games)), 200)
        elif choice == "create":
            self._create_or_open()
        else:
            self._apply()

    def _list(self) -> None:
        page = expect(self.player.games(page_size=_PAGE, status="enrollment_open"), 200).json()
        for game in page["games"]:
            if game["owner_user_id"] != self.user_id:
                self.others.append(game["game_id"])
                self.games.append(game["game_id"])

    def _create_or_open(self) -> None:
        if self.draft is None:
            self.draft = expect(self.player.create(max_players=64), 201).json()["game_id"]
        else:
            opened, self.draft = self.draft, None
            expect(self.player.open_enrollment(opened), 200)
            self.games.append(opened)

    def _apply(self) -> None:
        if not self.others:
            self._list()
            return
        name = f"Race {self.chance.getrandbits(64):016x}"
        # 409: a player who applies twice, or a game that is full by now, is what happens to players
        expect(self.player.apply(self.others.pop(), name), 201, 409)
