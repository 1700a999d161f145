"""Asking an engine whether it is well."""

from typing import Final

from servicekit.client import ClientError, HttpClient

from rtmanager.containers import ENGINE_PORT

PATH: Final = "/healthz"


async def ailment(address: str, timeout_s: float) -> str | None:
    """Ask the engine at an IP address, for ``timeout_s`` seconds at most; None if it is well, else what is wrong."""
    if not address:
        return "the container has no address in the network"
    host = f"[{address}]" if ":" in address else address
    async with HttpClient(
        f"http://{host}:{ENGINE_PORT}", connect_timeout=timeout_s, timeout=timeout_s, max_response=64 * 1024
    ) as client:
        try:
            reply = await client.request("GET", PATH)
        except ClientError as error:
            return error.reason
    return None if reply.status == 200 else f"the answer was {reply.status}"
