"""A market that is played interval by interval."""

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voisin import _voisin

try:
    import numpy
except ImportError:
    numpy = None

OWN: int = _voisin.OWN
"""In the place of a limit: what the member's strategy in the scenario says."""

Limits = Sequence[int] | Any
"""Whole µ€/kWh, one for each member: a sequence, or an array of integers."""


@dataclass(frozen=True)
class Step:
    """What an interval came to, each array in the order of ``Market.names``."""

    start_s: int
    """Its start, seconds after 1970, UTC."""
    price_micro: int | None
    """The price, µ€/kWh, where there is one for all and something was traded."""
    consumption_wh: Any
    """Used by all but the battery, as the meter says."""
    production_wh: Any
    """Made."""
    charged_wh: Any
    """Taken by the own battery."""
    discharged_wh: Any
    """Given by the own battery."""
    bought_wh: Any
    """Bought from neighbours."""
    sold_wh: Any
    """Sold to neighbours."""
    imported_wh: Any
    """Drawn from the supplier."""
    exported_wh: Any
    """Fed in to the supplier."""
    paid_nano: Any
    """Paid to neighbours, n€."""
    earned_nano: Any
    """Earned from neighbours, n€."""
    cost_nano: Any
    """Paid to neighbours and the supplier, less what both gave, n€."""
    alone_nano: Any
    """What it would have cost with the supplier alone, n€."""

    @property
    def net_wh(self):
        """Drawn at the meter, less what was fed in."""
        if numpy is None:
            sides = zip(self.bought_wh, self.imported_wh, self.sold_wh, self.exported_wh)
            return memoryview(array("q", (bought + imported - sold - exported for bought, imported, sold, exported in sides)))
        return self.bought_wh + self.imported_wh - self.sold_wh - self.exported_wh


class Market:
    """A scenario's community before the next of its intervals.

    The members' energy is the scenario's: their devices are stepped, and keep their state. ``scenario`` and ``seed`` are
    as for ``voisin.run``, and so is what is raised.
    """

    def __init__(self, scenario: str | os.PathLike[str], seed: int | None = None):
        self._market = _voisin.Market(scenario, seed)
        self.names: list[str] = self._market.names
        """The members."""
        self.intervals: int = self._market.intervals
        """How many intervals there are in all."""

    def __len__(self) -> int:
        """How many members there are."""
        return len(self.names)

    def reset(self, seed: int | None = None) -> None:
        """Go back to before the first interval; with another seed, draw anew all that is left to chance."""
        self._market.reset(seed)

    def step(self, buy_micro: Limits | None = None, sell_micro: Limits | None = None) -> Step | None:
        """Play the next interval; ``None`` once all are played.

        ``buy_micro`` is the highest price that each member buys at, ``sell_micro`` the lowest that it sells at, µ€/kWh.
        ``OWN`` leaves one, and ``None`` all, to the strategies of the scenario. What a member buys and sells at most is
        its strategy's, too.
        """
        stepped = self._market.step(_bytes("buy_micro", buy_micro), _bytes("sell_micro", sell_micro))
        if stepped is None:
            return None
        start_s, price_micro, columns = stepped
        return Step(start_s, price_micro, **{name: _numbers(column) for name, column in columns.items()})

    @property
    def done(self) -> bool:
        """Whether all intervals are played."""
        return self._market.upcoming is None

    @property
    def start_s(self) -> int | None:
        """Start of the next interval, seconds after 1970, UTC."""
        return self._upcoming(0)

    @property
    def minutes(self) -> int | None:
        """Length of the next interval."""
        return self._upcoming(1)

    @property
    def retail_micro(self) -> int | None:
        """What the supplier takes in the next interval, µ€/kWh."""
        return self._upcoming(2)

    @property
    def feed_in_micro(self) -> int | None:
        """What the supplier gives in the next interval, µ€/kWh."""
        return self._upcoming(3)

    @property
    def stored_uwh(self):
        """What each member's battery holds, µWh; 0 without one."""
        return _numbers(self._market.stored_uwh)

    def _upcoming(self, place: int) -> int | None:
        upcoming = self._market.upcoming
        return None if upcoming is None else upcoming[place]


def _bytes(side: str, limits: Limits | None) -> bytes | None:
    """Limits as native ``int64``."""
    if limits is None:
        return None
    if numpy is not None and isinstance(limits, numpy.ndarray):
        if limits.ndim != 1 or not numpy.can_cast(limits.dtype, numpy.int64):
            raise TypeError(f"{side}: expected one row of int64, found {limits.ndim} of {limits.dtype}")
        return limits.astype(numpy.int64).tobytes()
    return array("q", limits).tobytes()


def _numbers(column: bytes):
    """A column of ``int64``, read-only: numpy's if it is there, else a memory view."""
    if numpy is None:
        return memoryview(column).cast("q")
    return numpy.frombuffer(column, dtype=numpy.int64)
