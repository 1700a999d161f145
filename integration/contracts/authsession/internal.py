"""authsession's own HTTP operations: the internal ones, and the public two without the gateway in front."""

from collections.abc import Iterator
from typing import Any

from contracts.http import Answer
from contracts.openapi import Contract
from contracts.paths import AUTHSESSION_API
from contracts.signin import SignInClient

ACTOR = "admin:test"


def contract() -> Contract:
    """The published document."""
    return Contract.load("authsession http", AUTHSESSION_API / "openapi.yaml")


class Authsession(SignInClient):
    """authsession at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def session(self, device_session_id: str, **options: Any) -> Answer:
        """One session."""
        return self.call("getSession", path={"device_session_id": device_session_id}, **options)

    def sessions(self, user_id: str, **query: str) -> Answer:
        """One page of a user's sessions."""
        return self.call("listUserSessions", path={"user_id": user_id}, query=query)

    def all_sessions(self, user_id: str, page_size: int = 100) -> Iterator[dict[str, Any]]:
        """Every session of a user, newest first, page by page."""
        query = {"page_size": str(page_size)}
        while True:
            page = self.sessions(user_id, **query).expect(200).json()
            yield from page["sessions"]
            if "next_cursor" not in page:
                return
            query["cursor"] = page["next_cursor"]

    def revoke(self, device_session_id: str, reason: str = "lost_device", **options: Any) -> Answer:
        """Revokes one session."""
        return self.call(
            "revokeSession",
            path={"device_session_id": device_session_id},
            json_body={"reason_code": reason, "actor": ACTOR},
            **options,
        )

    def revoke_all(self, user_id: str, reason: str = "password_leak", **options: Any) -> Answer:
        """Revokes every active session of a user."""
        return self.call(
            "revokeAllUserSessions",
            path={"user_id": user_id},
            json_body={"reason_code": reason, "actor": ACTOR},
            **options,
        )

    def block(self, *, reason: str = "abuse", **subject: str) -> Answer:
        """Blocks `user_id=` or `email=`."""
        return self.call("createUserBlock", json_body={**subject, "reason_code": reason, "actor": ACTOR})
