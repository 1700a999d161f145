"""Target: `gateway:session:{id}`, the projection of a session that authsession leaves in Redis."""

import base64

from gateway.envelope import ID_PATTERN
from gateway.sessions import FIELDS, MalformedProjection, read_projection

from targets.inputs import fields

SESSION = "s_ada"


def check(data: bytes) -> bool:
    """A projection is malformed, or a session whose fields say what Redis holds."""
    given = fields(data)
    values = [given.get(name) for name in FIELDS]
    try:
        session = read_projection(SESSION, values)
    except MalformedProjection as error:
        assert str(error)
        return False
    if session is None:
        assert values == [None] * len(FIELDS)
        return False
    assert session.device_session_id == SESSION
    assert ID_PATTERN.fullmatch(session.user_id)
    assert session.status in {"active", "revoked"}
    assert base64.b64encode(session.public_key) == given["client_public_key"]
    return True
