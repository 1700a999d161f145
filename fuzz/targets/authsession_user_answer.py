"""Target: answers of the user service."""

import json

from authsession.users import UserServiceError, read_user


def check(data: bytes) -> bool:
    """An answer is a user, as any reader of JSON sees him, or the service's fault, told without quoting it."""
    try:
        user = read_user(data)
    except UserServiceError as error:
        assert str(error) == "its answer does not match the contract"
        return False
    assert 1 <= len(user.user_id) <= 128
    assert json.loads(data.decode(errors="replace"))["status"] == user.status
    return True
