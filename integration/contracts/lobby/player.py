"""A user of lobby: the public operations in words, whichever way they reach it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from contracts.http import Answer

Perform = Callable[[str, Mapping[str, str], Mapping[str, Any], Any], Answer]
"""Executes an operation: its id, the parameters of its path and of its query, its document or None."""

IMAGE = "seatrial-engine:1.4.0"
_HOUR_MS = 3_600_000


class Player:
    """One user."""

    def __init__(self, user_id: str, perform: Perform) -> None:
        self.user_id = user_id
        self._perform = perform

    def perform(
        self, operation: str, path: Mapping[str, str] | None = None, document: Any = None, **query: Any
    ) -> Answer:
        """Executes any public operation by its id."""
        return self._perform(operation, path or {}, query, document)

    # Games

    def create(self, **fields: Any) -> Answer:
        """A new game; public, for two to four players, open for an hour, unless `fields` say otherwise."""
        document = {
            "name": "Trafalgar",
            "visibility": "public",
            "min_players": 2,
            "max_players": 4,
            "enrollment_ends_at_ms": time.time_ns() // 1_000_000 + _HOUR_MS,
            "image_ref": IMAGE,
            **fields,
        }
        return self.perform("createGame", document=document)

    def created(self, **fields: Any) -> str:
        """The id of a new game in draft."""
        game_id: str = self.create(**fields).expect(201).json()["game_id"]
        return game_id

    def opened(self, **fields: Any) -> str:
        """The id of a new game that is open for enrolment."""
        game_id = self.created(**fields)
        self.open_enrollment(game_id).expect(200)
        return game_id

    def update(self, game_id: str, **changes: Any) -> Answer:
        """Changes a game."""
        return self.perform("updateGame", {"game_id": game_id}, changes)

    def game(self, game_id: str) -> Answer:
        """A game as this user sees it."""
        return self.perform("getGame", {"game_id": game_id})

    def games(self, **query: Any) -> Answer:
        """One page of the games that this user may see."""
        return self.perform("listGames", **query)

    def open_enrollment(self, game_id: str) -> Answer:
        """Lets players in."""
        return self.perform("openEnrollment", {"game_id": game_id})

    def close_enrollment(self, game_id: str) -> Answer:
        """Lets nobody in any more."""
        return self.perform("closeEnrollment", {"game_id": game_id})

    def start(self, game_id: str) -> Answer:
        """Starts a game that is ready, or one whose start failed."""
        return self.perform("startGame", {"game_id": game_id})

    def pause(self, game_id: str) -> Answer:
        """Pauses a game."""
        return self.perform("pauseGame", {"game_id": game_id})

    def resume(self, game_id: str) -> Answer:
        """Lets it go on."""
        return self.perform("resumeGame", {"game_id": game_id})

    def finish(self, game_id: str) -> Answer:
        """Ends it."""
        return self.perform("finishGame", {"game_id": game_id})

    def cancel(self, game_id: str) -> Answer:
        """Calls it off before it runs."""
        return self.perform("cancelGame", {"game_id": game_id})

    # Players

    def join(self, game_id: str, race_name: str) -> Answer:
        """Joins a game of his own."""
        return self.perform("joinGame", {"game_id": game_id}, {"race_name": race_name})

    def members(self, game_id: str, **query: Any) -> Answer:
        """One page of the players of a game."""
        return self.perform("listMembers", {"game_id": game_id}, **query)

    def remove(self, game_id: str, user_id: str) -> Answer:
        """Removes a player, or leaves."""
        return self.perform("removeMember", {"game_id": game_id, "user_id": user_id})

    def apply(self, game_id: str, race_name: str) -> Answer:
        """Asks to join a public game."""
        return self.perform("submitApplication", {"game_id": game_id}, {"race_name": race_name})

    def applied(self, game_id: str, race_name: str) -> str:
        """The id of a new application."""
        application_id: str = self.apply(game_id, race_name).expect(201).json()["application_id"]
        return application_id

    def applications(self, game_id: str, **query: Any) -> Answer:
        """One page of the applications."""
        return self.perform("listApplications", {"game_id": game_id}, **query)

    def approve(self, game_id: str, application_id: str) -> Answer:
        """Lets an applicant in."""
        return self._decide("approveApplication", game_id, application_id)

    def reject(self, game_id: str, application_id: str) -> Answer:
        """Refuses an applicant."""
        return self._decide("rejectApplication", game_id, application_id)

    def withdraw(self, game_id: str, application_id: str) -> Answer:
        """Takes his own application back."""
        return self._decide("withdrawApplication", game_id, application_id)

    def invite(self, game_id: str, user_id: str) -> Answer:
        """Invites a user to a private game."""
        return self.perform("createInvite", {"game_id": game_id}, {"invitee_user_id": user_id})

    def invited(self, game_id: str, user_id: str) -> str:
        """The id of a new invite."""
        invite_id: str = self.invite(game_id, user_id).expect(201).json()["invite_id"]
        return invite_id

    def invites(self, game_id: str, **query: Any) -> Answer:
        """One page of the invites."""
        return self.perform("listInvites", {"game_id": game_id}, **query)

    def accept(self, game_id: str, invite_id: str, race_name: str) -> Answer:
        """Accepts an invite."""
        path = {"game_id": game_id, "invite_id": invite_id}
        return self.perform("acceptInvite", path, {"race_name": race_name})

    def decline(self, game_id: str, invite_id: str) -> Answer:
        """Declines an invite."""
        return self.perform("declineInvite", {"game_id": game_id, "invite_id": invite_id})

    def revoke(self, game_id: str, invite_id: str) -> Answer:
        """Takes an invite back."""
        return self.perform("revokeInvite", {"game_id": game_id, "invite_id": invite_id})

    def _decide(self, operation: str, game_id: str, application_id: str) -> Answer:
        return self.perform(operation, {"game_id": game_id, "application_id": application_id})
