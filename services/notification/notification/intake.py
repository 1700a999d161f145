"""From entries of `notification:intents` to routes, and pushes on their way."""

from collections.abc import Collection, Iterator, Sequence

from servicekit.metrics import Registry
from servicekit.streams import Entry

from notification.catalogue import Catalogue
from notification.intents import MAX_RECIPIENTS, InvalidIntent, parse
from notification.lanes import Lane
from notification.ledger import Arrival, Ledger
from notification.push import Push

CONFLICT = "idempotency_conflict: the idempotency_key belongs to an intent with other content"


class Intake:
    """Takes batches of entries in, many in one transaction, and publishes their pushes."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        push: Push,
        *,
        pushes: Lane,
        mails: Lane,
        metrics: Registry,
    ) -> None:
        """`pushes` records what comes of the pushes, and takes up those that fail; `mails` is woken for e-mail."""
        self._catalogue = catalogue
        self._ledger = ledger
        self._push = push
        self._pushes = pushes
        self._mails = mails
        self._intents = metrics.counter(
            "notification_intents_total",
            "Entries of notification:intents by what became of them",
            ("outcome",),
        )

    async def handle(self, entries: Sequence[Entry]) -> dict[str, str]:
        """Handle a batch; gives the reasons of the entries to set aside, by their ids.

        Once it returns, what was accepted is in the database, and its pushes have been tried once, in the order of the
        entries. Raises DatabaseUnavailable: then the batch is to be handled again.
        """
        refused: dict[str, str] = {}
        arrivals: list[Arrival] = []
        for entry in entries:
            try:
                arrivals.append(Arrival(entry.id, parse(entry.fields, self._catalogue)))
            except InvalidIntent as error:
                refused[entry.id] = str(error)
        self._intents.inc("malformed", by=len(refused))
        for part in parts(arrivals):
            refused.update(dict.fromkeys(await self._accept(part), CONFLICT))
        return refused

    async def _accept(self, arrivals: Sequence[Arrival]) -> Collection[str]:
        """Take intents in by one transaction; gives the entries that are conflicts."""
        accepted = await self._ledger.accept(arrivals)
        self._intents.inc("accepted", by=accepted.accepted)
        self._intents.inc("duplicate", by=accepted.duplicates)
        self._intents.inc("conflict", by=len(accepted.conflicts))
        if accepted.mailed:
            self._mails.wake()
        if accepted.pushes:
            await self._pushes.settle(accepted.pushes, await self._push.deliver(accepted.pushes))
        return accepted.conflicts


def parts(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """The arrivals in their order, in parts of at most MAX_RECIPIENTS recipients in all.

    A transaction whose size anybody could choose could take longer than it may, each time it is tried again.
    """
    part: list[Arrival] = []
    recipients = 0
    for arrival in arrivals:
        count = len(arrival.intent.recipients)
        if part and recipients + count > MAX_RECIPIENTS:
            yield part
            part, recipients = [], 0
        part.append(arrival)
        recipients += count
    if part:
        yield part
