"""What keeps addresses and codes unreadable in Redis: keyed hashes, and addresses sealed for as long as they are needed.

Every key comes from the pepper (AUTHSESSION_CODE_PEPPER), which Redis never sees. All instances share one pepper; with
another one, codes on their way become wrong and e-mail blocks are no longer found.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

CODE_DIGITS: Final = 6
_NONCE: Final = 12


class BrokenSealError(Exception):
    """The sealed text was changed, belongs to something else, or was sealed with another pepper."""


def new_code() -> str:
    """Six decimal digits, uniformly distributed, from the system's generator."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


class Sealer:
    """The keyed functions of one pepper (at least 32 bytes, secret)."""

    def __init__(self, pepper: bytes) -> None:
        self._address_key = _derive(pepper, b"authsession/address-hash/v1")
        self._code_key = _derive(pepper, b"authsession/code-hash/v1")
        self._seal_key = _derive(pepper, b"authsession/address-seal/v1")

    def hash_address(self, address: str) -> str:
        """The name of a normalised address in Redis: HMAC-SHA-256, URL-safe base64 without padding."""
        return _hash(self._address_key, address.encode())

    def hash_code(self, challenge_id: str, code: str) -> str:
        """What is stored of a code. The same code of two challenges has two hashes."""
        return _hash(self._code_key, challenge_id.encode() + b"\0" + code.encode())

    @staticmethod
    def same(one: str, other: str) -> bool:
        """Whether two hashes are equal, in a time that does not tell where they differ."""
        return hmac.compare_digest(one.encode(), other.encode())

    def seal(self, challenge_id: str, address: str) -> str:
        """`address`, encrypted (AES-256-GCM) for `challenge_id` alone: the confirm needs it once more."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._seal_key).encrypt(nonce, address.encode(), challenge_id.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def unseal(self, challenge_id: str, sealed: str) -> str:
        """The address again. Raises BrokenSealError."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            raw = base64.urlsafe_b64decode(sealed)
            opened = AESGCM(self._seal_key).decrypt(raw[:_NONCE], raw[_NONCE:], challenge_id.encode())
        except (InvalidTag, ValueError) as error:
            raise BrokenSealError("the sealed address cannot be opened: was the pepper changed?") from error
        return opened.decode()


def _derive(pepper: bytes, purpose: bytes) -> bytes:
    return hmac.digest(pepper, purpose, hashlib.sha256)


def _hash(key: bytes, data: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, data, hashlib.sha256)).rstrip(b"=").decode()
