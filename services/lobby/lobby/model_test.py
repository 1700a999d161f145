"""A game under any sequence of calls, results and timers, beside a model of what it should be, on the real database."""

from typing import Any, Final

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from servicekit.errors import ApiError
from servicekit.streams import Entry

from lobby import handlers, operations, wire
from lobby.calls import Call, Rules
from lobby.causes import Cause
from lobby.names import race_key
from lobby.states import BEFORE_RUNNING, ENDED, IllegalTransition
from lobby.testing.api import IMAGE, OWNER, now_ms
from lobby.testing.world import World

USERS: Final = ("ada", "bob", "cyd", "dan")
RACES: Final = ("Terrans", "TERRANS", "Zerg", "\uff3aerg", "Protoss", "Vasari")
LEAST: Final = 2
MOST: Final = 3

users = st.sampled_from(USERS)
dice = st.sampled_from([6, 5, 4, 3, 2, 1])


class Machine(RuleBasedStateMachine):
    """One game."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.state = "draft"
        self.members: dict[str, str] = {}
        self.pending: dict[str, tuple[str, str]] = {}
        self.starts: list[int] = []
        body = wire.CreateGameRequest(
            name="Model",
            visibility="public",
            min_players=LEAST,
            max_players=MOST,
            enrollment_ends_at_ms=now_ms() + 3_600_000,
            image_ref=IMAGE,
        )
        self.game_id: str = self.do(operations.CREATE_GAME.id, OWNER, body).game_id
        self.world.messages()

    def do(self, operation: str, user: str, document: Any = None, **ids: str) -> Any:
        """One operation of a user in its transaction, as handlers run it."""
        call = Call(user, ids, document, Cause(user, "model"), Rules(invite_ttl_ms=1000))

        async def work() -> Any:
            async with self.world.database.transaction() as connection:
                return await handlers.PUBLIC[operation](connection, call)

        return self.world.run(work())

    def attempt(self, operation: str, user: str, document: Any = None, **ids: str) -> str:
        """Gives the error's code, or an empty string."""
        try:
            self.do(operation, user, document, game_id=self.game_id, **ids)
        except IllegalTransition:
            return "conflict"
        except ApiError as error:
            return error.code
        return ""

    def move(self, operation: str, *, legal: bool, to: str) -> None:
        """A transition of the owner's, which must succeed exactly if it is legal."""
        code = self.attempt(operation, OWNER)
        assert code == ("" if legal else "conflict"), (operation, self.state)
        if legal:
            self.state = to

    def end_enrollment(self, to: str) -> None:
        self.state = to
        self.pending.clear()

    @initialize(stage=st.sampled_from(["enrollment_open", "draft", "starting", "running"]))
    def begin(self, stage: str) -> None:
        """Some games begin further on: the way there is long."""
        if stage == "draft":
            return
        self.open()
        for user, race in (("ada", "Terrans"), ("bob", "Zerg")) if stage != "enrollment_open" else ():
            self.apply(user, race)
            application_id, self.members[user] = self.pending.pop(user)
            assert self.attempt("approveApplication", OWNER, application_id=application_id) == ""
        if stage in {"starting", "running"}:
            self.close()
            self.start()
        if stage == "running":
            self.world.take(self.world.result(self.game_id))
            self.state = "running"

    @rule()
    def open(self) -> None:
        self.move(operations.OPEN_ENROLLMENT.id, legal=self.state == "draft", to="enrollment_open")

    @rule()
    def close(self) -> None:
        legal = self.state == "enrollment_open" and len(self.members) >= LEAST
        self.move(operations.CLOSE_ENROLLMENT.id, legal=legal, to="ready_to_start")
        if legal:
            self.pending.clear()

    @rule()
    def start(self) -> None:
        legal = self.state in {"ready_to_start", "start_failed"} and len(self.members) >= LEAST
        self.move(operations.START_GAME.id, legal=legal, to="starting")
        if legal:
            row = "SELECT start_requested_at_ms FROM games WHERE game_id = $1"
            self.starts.append(self.world.value(row, self.game_id))

    @rule()
    def pause(self) -> None:
        self.move(operations.PAUSE_GAME.id, legal=self.state == "running", to="paused")

    @rule()
    def resume(self) -> None:
        self.move(operations.RESUME_GAME.id, legal=self.state == "paused", to="running")

    @rule(die=dice)
    def finish(self, die: int) -> None:
        if die == 1:  # most games are to go on
            self.move(operations.FINISH_GAME.id, legal=self.state in {"running", "paused"}, to="finished")

    @rule(die=dice)
    def cancel(self, die: int) -> None:
        legal = self.state in BEFORE_RUNNING
        if legal and die != 1:
            return
        self.move(operations.CANCEL_GAME.id, legal=legal, to="cancelled")
        if legal:
            self.pending.clear()

    @rule(user=users, race=st.sampled_from(RACES))
    def apply(self, user: str, race: str) -> None:
        taken = {
            race_key(name) for name in [*self.members.values(), *(name for _, name in self.pending.values())]
        }
        body = wire.SubmitApplicationRequest(race_name=race)
        code = self.attempt(operations.SUBMIT_APPLICATION.id, user, body)
        if self.state != "enrollment_open" or user in self.members or user in self.pending:
            assert code == "conflict"
        elif race_key(race) in taken:
            assert code == "race_name_taken"
        else:
            assert code == ""
            row = "SELECT application_id FROM applications WHERE game_id = $1 AND user_id = $2 AND status = 'pending'"
            self.pending[user] = (self.world.value(row, self.game_id, user), race)

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), how=st.sampled_from(["approve", "approve", "approve", "reject", "withdraw"]))
    def decide(self, data: st.DataObject, how: str) -> None:
        user = data.draw(st.sampled_from(sorted(self.pending)))
        application_id, race = self.pending.pop(user)
        code = self.attempt(
            f"{how}Application", user if how == "withdraw" else OWNER, application_id=application_id
        )
        assert code == ""
        if how == "approve":
            self.members[user] = race
            if len(self.members) == MOST:
                self.end_enrollment("ready_to_start")

    @rule(user=users)
    def leave(self, user: str) -> None:
        code = self.attempt(operations.REMOVE_MEMBER.id, user, user_id=user)
        if self.state in ENDED:
            assert code == "conflict"
        elif user not in self.members:
            assert code == "member_not_found"
        else:
            assert code == ""
            del self.members[user]

    @rule(user=users)
    def block(self, user: str) -> None:
        self.world.take_user("user.blocked", user)
        if self.state not in ENDED:
            self.members.pop(user, None)
            self.pending.pop(user, None)

    @precondition(lambda self: self.starts)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "failure"]))
    def result(self, data: st.DataObject, outcome: str) -> None:
        requested = data.draw(st.sampled_from(self.starts))
        entry: Entry = self.world.result(self.game_id, requested, outcome=outcome)
        self.world.take(entry)
        if self.state == "starting" and requested == self.starts[-1]:
            self.state = "running" if outcome == "success" else "start_failed"

    @precondition(lambda self: self.state == "starting")
    @rule()
    def time_out(self) -> None:
        self.world.sql(
            "UPDATE games SET start_requested_at_ms = start_requested_at_ms - 600000 WHERE game_id = $1",
            self.game_id,
        )
        self.world.tick()
        self.starts[-1] -= 600000
        self.state = "start_failed"

    @precondition(lambda self: self.state == "enrollment_open")
    @rule(die=dice)
    def enrollment_is_over(self, die: int) -> None:
        if die != 1:
            return
        self.world.sql("UPDATE games SET enrollment_ends_at_ms = now_ms() WHERE game_id = $1", self.game_id)
        self.world.tick()
        self.end_enrollment("ready_to_start" if len(self.members) >= LEAST else "cancelled")

    @invariant()
    def the_database_agrees(self) -> None:
        (game,) = self.world.sql("SELECT * FROM games WHERE game_id = $1", self.game_id)
        assert game["status"] == self.state
        assert game["member_count"] == len(self.members)
        members = self.world.sql("SELECT user_id, race_name FROM members WHERE game_id = $1", self.game_id)
        assert {row["user_id"]: row["race_name"] for row in members} == self.members
        races = self.world.sql("SELECT user_id FROM races WHERE game_id = $1", self.game_id)
        holders = set() if self.state == "cancelled" else {*self.members, *self.pending}
        assert {row["user_id"] for row in races} == holders
        assert game["start_attempt"] == len(self.starts)

    @invariant()
    def jobs_only_ever_get_later(self) -> None:
        jobs = [message for message in self.world.messages() if message.stream.startswith("runtime:")]
        times = [int(message.fields["requested_at_ms"]) for message in jobs]
        assert times == sorted(set(times))
        assert all(time > self.last_job for time in times)
        self.last_job = max([self.last_job, *times])

    last_job = 0


def test_a_game_is_what_the_model_says(world: World) -> None:
    class Bound(Machine):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Bound, settings=settings(max_examples=12, stateful_step_count=25, deadline=None)
    )
