"""Target: replies of Redis and Valkey, in the harness' own conversation with a server."""

import socket

import hiredis
from seatrial.processes.listener import Address
from seatrial.stores.resp import Conversation, clients, info
from seatrial.stores.store import StoreError

NOBODY = Address("127.0.0.1", 1)


def check(data: bytes) -> bool:
    """A command gets its reply, or the word that the server hung up; its texts are read whatever is in them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:65536])
        theirs.shutdown(socket.SHUT_WR)
        try:
            reply = Conversation(ours, NOBODY).one("INFO")
        except StoreError as error:
            assert str(NOBODY) in str(error)
            return False
    assert not isinstance(reply, hiredis.ReplyError)
    if isinstance(reply, str):
        assert all(":" not in name for name in info(reply))
        assert all("=" not in name for line in clients(reply) for name in line)
    return True
