"""The two public sign-in operations, which the gateway relays and authsession serves."""

from typing import Any

from contracts.client import ContractClient
from contracts.http import Answer


class SignInClient(ContractClient):
    """A contract with `sendEmailCode` and `confirmEmailCode`."""

    def send_email_code(self, email: str, language: str | None = None, **options: Any) -> Answer:
        """Asks for a code; `language` is the Accept-Language header."""
        headers = dict(options.pop("headers", {}))
        if language is not None:
            headers["Accept-Language"] = language
        return self.call("sendEmailCode", json_body={"email": email}, headers=headers, **options)

    def confirm_email_code(
        self, challenge_id: str, code: str, public_key: str, time_zone: str = "Europe/Berlin", **options: Any
    ) -> Answer:
        """Exchanges a code for a session."""
        document = {
            "challenge_id": challenge_id,
            "code": code,
            "client_public_key": public_key,
            "time_zone": time_zone,
        }
        return self.call("confirmEmailCode", json_body=document, **options)
