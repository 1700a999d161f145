"""Target: signing inputs of any fields, of requests, answers and events."""

from gateway.signing import EVENT_DOMAIN, REQUEST_DOMAIN, RESPONSE_DOMAIN, signing_input

DOMAINS = (REQUEST_DOMAIN, RESPONSE_DOMAIN, EVENT_DOMAIN)


def check(data: bytes) -> bool:
    """Two lists of fields (separated by `,`, the lists by `|`) have the same signing input only if they are the same list."""
    first, bar, second = data.partition(b"|")
    one, other = first.split(b","), second.split(b",")
    inputs = [signing_input(domain, *fields) for domain in DOMAINS for fields in (one, other)]
    assert len(set(inputs)) == len(DOMAINS) * (1 if one == other else 2)
    assert all(
        len(given) == 4 * (1 + len(one)) + len(domain) + sum(map(len, one))
        for domain, given in zip(DOMAINS, inputs[::2], strict=True)
    )
    return bool(bar)
