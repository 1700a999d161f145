"""Target: answers of the user service, as notification reads them."""

import json

from notification.users import UserServiceError, read_user, says_not_found


def check(data: bytes) -> bool:
    """An answer is a user, the word that there is none, or the service's fault, told without quoting it."""
    not_found = says_not_found(data)
    try:
        user = read_user(data)
    except UserServiceError as error:
        assert str(error) == "its answer does not match the contract"
        assert not not_found or json.loads(data.decode(errors="replace"))["error"]["code"] == "user_not_found"
        return not_found
    assert json.loads(data.decode(errors="replace"))["user_id"] == user.user_id
    assert len(user.email) <= 254
    return True
