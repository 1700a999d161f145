"""Docker, by its SDK in threads.

The SDK blocks, and importing it takes 300 ms: it is imported in the first call's thread, after the service is ready. Each call
has a daemon thread of its own, so that one that hangs (a pull of many minutes) never keeps the process from ending.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from servicekit.failures import Unavailable

from rtmanager.containers import DEPLOYMENT, GAME_ID, Container, Image, Plan, name_of

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

PING_TIMEOUT_S: Final = 1.0
_POOL: Final = 64
_LOG: Final = {"max-size": "10m", "max-file": "2"}


class DockerUnavailable(Unavailable):
    """Docker could not be reached, or did not answer in time. Whether it has done the work is unknown."""


class DockerRefused(Exception):
    """Docker answered that it cannot do this."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class NameTaken(DockerRefused):
    """There is a container of that name."""


class Watcher(Protocol):
    """Who wants to know whether Docker answers; a health.Dependency is one."""

    def up(self) -> None:
        """It answered."""

    def down(self, reason: str) -> None:
        """It did not."""


class Docker:
    """One Docker engine. Every method raises DockerUnavailable, and DockerRefused for what Docker will not do."""

    def __init__(self, host: str | None, *, timeout: float, deployment: str, network: str) -> None:
        """``host`` is a URL; None for what DOCKER_HOST says, or the usual socket. ``timeout`` in seconds is of each answer."""
        self._host = host
        self._timeout = timeout
        self._deployment = deployment
        self._network = network
        self._watcher: Watcher | None = None
        self._clients: dict[float, APIClient] = {}
        self._lock = threading.Lock()
        self._closed = False

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` at each call whether Docker answered."""
        self._watcher = watcher

    def close(self) -> None:
        """Report nothing any more; threads that still wait for Docker are left to themselves."""
        self._closed = True

    def owns(self, container: Container) -> bool:
        """Say whether it bears this deployment's label: everything else is never touched."""
        return container.labels.get(DEPLOYMENT) == self._deployment

    async def ping(self) -> None:
        """Ask whether it answers."""
        await self._call(lambda client: client.ping(), timeout=PING_TIMEOUT_S)

    async def container(self, reference: str) -> Container | None:
        """Inspect a container by id or name; None if there is none."""
        try:
            document = await self._call(lambda client: client.inspect_container(reference))
        except DockerRefused as refused:
            if refused.status == 404:
                return None
            raise
        return Container.parse(document, self._network)

    async def containers(self, game_id: str) -> list[Container]:
        """Inspect every container of a game that is ours, the running ones first, then the newest."""
        filters = {"label": [f"{DEPLOYMENT}={self._deployment}", f"{GAME_ID}={game_id}"]}
        listed = await self._call(lambda client: client.containers(all=True, filters=filters))
        found = [await self.container(entry["Id"]) for entry in listed]
        present = [each for each in found if each is not None and self.owns(each) and each.game_id == game_id]
        return sorted(present, key=lambda each: (each.alive, each.run), reverse=True)

    async def games(self) -> set[str]:
        """Give the games that have a container of ours."""
        filters = {"label": [f"{DEPLOYMENT}={self._deployment}", GAME_ID]}
        listed = await self._call(lambda client: client.containers(all=True, filters=filters))
        return {entry["Labels"][GAME_ID] for entry in listed}

    async def image(self, reference: str) -> Image | None:
        """Inspect an image; None if it is not there."""
        try:
            document = await self._call(lambda client: client.inspect_image(reference))  # type: ignore[no-untyped-call]
        except DockerRefused as refused:
            if refused.status == 404:
                return None
            raise
        return Image.parse(document)

    async def pull(self, reference: str, seconds: float) -> None:
        """Get an image from its registry, within ``seconds``. Raises DockerRefused with the registry's reason."""
        given_up = threading.Event()

        def pull(client: "APIClient") -> None:
            from docker.utils import parse_repository_tag

            name, tag = parse_repository_tag(reference)
            for line in client.pull(name, tag=tag or "latest", stream=True, decode=True):
                if given_up.is_set():
                    return  # the end of the connection ends the pull
                if "error" in line:
                    raise DockerRefused(500, str(line["error"]))

        try:
            async with asyncio.timeout(seconds):
                await self._call(pull)
        except TimeoutError:
            raise DockerRefused(504, f"it took longer than {seconds:g} s") from None
        finally:
            given_up.set()

    async def has_network(self) -> bool:
        """Say whether the engines' network is there."""
        try:
            await self._call(lambda client: client.inspect_network(self._network))
        except DockerRefused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    async def create(self, plan: Plan) -> str:
        """Make a game's container and give its id; it is not started. Raises NameTaken."""
        name = name_of(plan.game_id)

        def create(client: "APIClient") -> str:
            from docker.types import LogConfig

            host = client.create_host_config(
                binds={plan.state_path: {"bind": plan.state_mount, "mode": "rw"}},
                network_mode=plan.network,
                mem_limit=plan.limits.memory,
                memswap_limit=plan.limits.memory,
                nano_cpus=round(plan.limits.cpus * 1e9),
                pids_limit=plan.limits.pids,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                log_config=LogConfig(type="json-file", config=_LOG),
            )
            document = client.create_container(
                plan.image_ref,
                name=name,
                hostname=name,
                user=plan.user or None,
                environment={"GAME_STATE_PATH": plan.state_mount},
                labels=dict(plan.labels),
                host_config=host,
            )
            return str(document["Id"])

        try:
            return await self._call(create)
        except DockerRefused as refused:
            if refused.status == 409:
                raise NameTaken(409, refused.reason) from None
            raise

    async def start(self, container_id: str) -> None:
        """Start a container; one that runs stays as it is."""
        await self._call(lambda client: client.start(container_id))

    async def stop(self, container_id: str, grace_s: int) -> None:
        """End a container: SIGTERM, and SIGKILL after ``grace_s`` seconds. One that has ended, or is gone, is no error."""
        await self._unless_gone(lambda client: client.stop(container_id, timeout=grace_s))

    async def remove(self, container_id: str, *, force: bool) -> None:
        """Remove a container; a running one only by ``force``. One that is gone, or going, is no error."""
        await self._unless_gone(
            lambda client: client.remove_container(container_id, force=force, v=True), going=True
        )

    async def last_words(self, container_id: str) -> str:
        """Give the end of what a container wrote, for a log."""
        output = await self._call(lambda client: client.logs(container_id, tail=20))
        return bytes(output)[-2000:].decode(errors="replace")

    async def _unless_gone(self, work: "Callable[[APIClient], object]", *, going: bool = False) -> None:
        try:
            await self._call(work)
        except DockerRefused as refused:
            if refused.status != 404 and not (going and "already in progress" in refused.reason):
                raise

    async def events(
        self, since: int | None, connected: Callable[[], None]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Give our containers' events, from the Unix second ``since`` on, until the connection ends.

        ``connected`` is called when nothing can be missed any more. Raises DockerUnavailable when there is no connection.
        """
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Mapping[str, Any] | BaseException | None] = asyncio.Queue()
        filters = {"type": "container", "label": f"{DEPLOYMENT}={self._deployment}"}
        stream = await self._call(lambda client: client.events(since=since, filters=filters, decode=True))

        def read() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens
                try:
                    for event in stream:
                        loop.call_soon_threadsafe(queue.put_nowait, event)
                except Exception as problem:  # noqa: BLE001 - given to who awaits
                    loop.call_soon_threadsafe(queue.put_nowait, _translate(problem))
                else:
                    loop.call_soon_threadsafe(queue.put_nowait, None)

        threading.Thread(target=read, name="docker-events", daemon=True).start()
        try:
            connected()
            while (event := await queue.get()) is not None:
                if isinstance(event, BaseException):
                    self._report(str(event))
                    raise event
                yield event
        finally:
            with suppress(Exception):  # it may be closed already, in any of the SDK's ways
                stream.close()

    async def _call(self, work: "Callable[[APIClient], T]", *, timeout: float | None = None) -> T:  # noqa: ASYNC109
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, problem: BaseException | None) -> None:
            if future.done():
                return
            if problem is not None:
                future.set_exception(problem)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only if T is

        def body() -> None:
            result: T | None = None
            problem: BaseException | None = None
            try:
                result = work(self._client(timeout or self._timeout))
            except Exception as raised:  # noqa: BLE001 - given to who awaits
                problem = _translate(raised)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, result, problem)

        threading.Thread(target=body, name="docker", daemon=True).start()
        try:
            result = await future
        except DockerUnavailable as problem:
            self._report(str(problem))
            raise
        except DockerRefused:
            self._report(None)
            raise
        self._report(None)
        return result

    def _report(self, reason: str | None) -> None:
        if self._watcher is None or self._closed:
            return
        if reason is None:
            self._watcher.up()
        else:
            self._watcher.down(reason)

    def _client(self, timeout: float) -> "APIClient":
        """Give the client with that timeout; its first call asks for the version of the API."""
        with self._lock:
            client = self._clients.get(timeout)
            if client is None:
                from docker import APIClient
                from docker.utils import kwargs_from_env

                options: dict[str, Any] = {**kwargs_from_env(environment=dict(os.environ))}
                if self._host is not None:
                    options["base_url"] = self._host
                client = APIClient(
                    version="auto",
                    timeout=timeout,  # type: ignore[arg-type]  # requests takes parts of seconds
                    max_pool_size=_POOL,
                    **options,
                )
                self._clients[timeout] = client
            return client


def _translate(problem: BaseException) -> BaseException:
    """Say whether Docker refused, or is not there."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    if isinstance(problem, DockerRefused | DockerUnavailable):
        return problem
    if isinstance(problem, APIError):
        status = problem.response.status_code if problem.response is not None else 500
        reason = str(problem.explanation or problem)
        return DockerUnavailable(reason) if status in {502, 503, 504} else DockerRefused(status, reason)
    if isinstance(problem, Timeout):
        return DockerUnavailable("no answer in time")
    if isinstance(problem, RequestException | DockerException | OSError):
        return DockerUnavailable(_why(problem))
    return problem


def _why(problem: BaseException) -> str:
    """Say why there is no connection, without addresses; the libraries wrap the system's error several times."""
    seen: Sequence[BaseException] = ()
    current: BaseException | None = problem
    while current is not None and current not in seen:
        seen = [*seen, current]
        for inner in (current, *current.args):
            if isinstance(inner, OSError) and isinstance(inner.errno, int):
                return os.strerror(inner.errno)
        current = current.__cause__ or current.__context__
    return "no connection, or it was lost"
