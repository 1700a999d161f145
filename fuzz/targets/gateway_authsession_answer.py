"""Target: answers of authsession, which the gateway passes on to strangers if they are by the contract."""

import json

from gateway.public_api import CONFIRM_EMAIL_CODE
from gateway.relay import error_codes, find_problem
from servicekit.client import Reply
from servicekit.http import Headers

from targets.inputs import chosen


def check(data: bytes) -> bool:
    """An answer (status, Retry-After and Content-Type on the first line, separated by `;;`, then the body) that is passed on
    is a document of the contract with a code of the operation; no other is."""
    head, body = chosen(data)
    status, _, rest = head.partition(";;")
    retry_after, _, content_type = rest.partition(";;")
    if not status.isascii() or not status.isdigit() or len(status) != 3:
        return False
    headers = [(b"content-type", content_type.encode("latin-1"))]
    if retry_after:
        headers.append((b"retry-after", retry_after.encode("latin-1")))
    problem = find_problem(CONFIRM_EMAIL_CODE, Reply(int(status), Headers(headers), body))
    if problem is not None:
        assert problem
        return False
    document = json.loads(body)
    if int(status) == CONFIRM_EMAIL_CODE.status:
        assert 1 <= len(document["device_session_id"]) <= 128
    else:
        assert document["error"]["code"] in error_codes(CONFIRM_EMAIL_CODE, int(status))
    assert not retry_after or 0 < int(retry_after) < 10**9
    return True
