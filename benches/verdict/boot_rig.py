"""Single services that boot and stop, each on running stores."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import boots
from contracts.platform.parts import Part
from interleaved import MODES, Mode
from seatrial import Environment
from verdict.rig import Measure, Rig, Take, reading


class BootRig(Rig):
    """Five services that are not running."""

    name = "boots"

    def boot(self, environment: Environment, _late: ExitStack) -> Mapping[str, Measure]:
        """A metric for each service and each way to boot it."""
        self._environment = environment
        self._services = boots.all_five(environment)
        return {
            f"boot_{mode}_{part}": functools.partial(self._boot, part, mode)
            for part in self._services
            for mode in MODES
        }

    @contextmanager
    def _boot(self, part: Part, mode: Mode) -> Iterator[Take]:
        service = self._services[part]
        if mode == "warm":
            boots.life(
                self._environment, service, mode
            )  # the first one starts what the others are forked from
        yield lambda: reading(boots.life(self._environment, service, mode).boot)
