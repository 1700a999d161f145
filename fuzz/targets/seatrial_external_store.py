"""Target: where external stores are, from INTEGRATION_REAL_REDIS_ADDR and INTEGRATION_REAL_POSTGRES_DSN."""

from seatrial.stores import external_postgres, external_valkey
from seatrial.stores.store import StoreError

from targets.inputs import text


def check(data: bytes) -> bool:
    """A place is refused with the variable's name, or it is an address; a DSN's password is never shown."""
    given = text(data)
    if given is None:
        return False
    found = 0
    try:
        address, database = external_valkey.parse(given)
        assert address.host
        assert 0 < address.port < 65536
        assert database >= 0
        found += 1
    except StoreError as error:
        assert "INTEGRATION_REAL_REDIS_ADDR" in str(error)
    dsn = f"postgresql://ada:pass-{given}@{given}"
    try:
        address = external_postgres.parse(dsn)
        assert address.host
        assert 0 < address.port < 65536
        found += 1
    except StoreError as error:
        assert "INTEGRATION_REAL_POSTGRES_DSN" in str(error)
        assert "pass-" not in str(error)
    return found > 0
