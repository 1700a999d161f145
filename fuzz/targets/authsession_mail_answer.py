"""Target: answers of the mail service."""

import json

from authsession.mail import MailError, check_answer


def check(data: bytes) -> bool:
    """An answer names a delivery, or is a fault that may pass."""
    try:
        check_answer(data)
    except MailError as error:
        assert error.retryable
        return False
    assert 1 <= len(json.loads(data.decode(errors="replace"))["delivery_id"]) <= 128
    return True
