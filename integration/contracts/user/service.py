"""The external user service: every address is a user, made when it is first asked for."""

import unicodedata

from contracts.provider import ProviderStub
from seatrial.network.stub import Illegal, Request, Response, route


class UserService(ProviderStub):
    """Knows who owns which address, and whom it blocks."""

    name = "user"

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[str, str] = {}
        self._blocked: set[str] = set()
        self._languages: dict[str, tuple[str, str]] = {}

    @route("POST", "/api/v1/internal/users/resolve-by-email")
    def resolve(self, request: Request) -> Response:
        """The owner of an address."""
        document = self.document(request, "resolveUserByEmail")
        address = document["email"]
        local, _, domain = address.rpartition("@")
        if address != unicodedata.normalize("NFC", f"{local.casefold()}@{domain.lower()}"):
            raise Illegal("the address is not normalised")
        self._languages[address] = (document["preferred_language"], document["time_zone"])
        status = "blocked" if address in self._blocked else "active"
        response = Response.json({"user_id": self.id_of(address), "status": status})
        return self.answered(request, "resolveUserByEmail", response)

    @route("GET", "/api/v1/internal/users/{user_id}")
    def user(self, request: Request) -> Response:
        """One user."""
        self.check(request, "getUser")
        user_id = request.parameters["user_id"]
        address = next((address for address, known in self._ids.items() if known == user_id), None)
        if address is None:
            unknown = Response.json({"error": {"code": "user_not_found"}}, status=404)
            return self.answered(request, "getUser", unknown)
        language, time_zone = self._languages.get(address, ("en", "Europe/London"))
        known = Response.json(
            {
                "user_id": user_id,
                "email": address,
                "preferred_language": language,
                "time_zone": time_zone,
                "status": "blocked" if address in self._blocked else "active",
            }
        )
        return self.answered(request, "getUser", known)

    def speaks(self, address: str, language: str) -> str:
        """From now on the owner of `address` prefers `language`, a BCP 47 tag; returns the user's id."""
        user_id = self.id_of(address)
        with self.lock:
            self._languages[address] = (language, "Europe/London")
        return user_id

    def id_of(self, address: str) -> str:
        """The id of the user who owns a normalised address, who is made if need be."""
        with self.lock:
            return self._ids.setdefault(address, f"user-{len(self._ids) + 1}")

    def block(self, address: str) -> None:
        """From now on the owner of `address` is blocked."""
        with self.lock:
            self._blocked.add(address)

    def seen(self, address: str) -> tuple[str, str] | None:
        """Preferred language and time zone that came with the last question for `address`."""
        with self.lock:
            return self._languages.get(address)
