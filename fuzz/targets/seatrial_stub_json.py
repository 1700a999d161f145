"""Target: JSON bodies of requests to a stub, read more strictly than the service under test might write them."""

import json

from seatrial.network.exchange import Illegal, Request


def check(data: bytes) -> bool:
    """A body is illegal, which the service under test is told, or it is what any reader of JSON sees."""
    try:
        document = Request("POST", "/", "", {"content-type": "application/json"}, data).json()
    except Illegal as error:
        assert str(error)
        return False
    assert repr(json.loads(data.decode())) == repr(document)
    return True
