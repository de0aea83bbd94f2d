"""A local energy market, cleared and settled as in production.

``run`` computes a scenario as the program ``simulator run`` does. ``Market`` plays one interval by interval, with limits
in the place of its members' strategies. ``voisin.parallel_env`` has it as a PettingZoo environment.

Energy is in Wh, prices in µ€/kWh and money in n€ = µ€/kWh × Wh: whole numbers, without rounding.
"""

import json
import os
from collections.abc import Iterable

from voisin import _voisin
from voisin.market import OWN, Market, Step

__all__ = ["OWN", "Market", "Step", "run"]


def run(
    scenario: str | os.PathLike[str],
    seed: int | None = None,
    threads: int | None = None,
    out: str | os.PathLike[str] | None = None,
    tables: Iterable[str] = (),
) -> dict:
    """Run a scenario, and return its figures: ``summary.json`` as docs/figures.md describes it.

    ``scenario`` is a file, or TOML text, which has a line break. ``seed`` takes the place of its own. ``threads`` are as
    many as there are cores, and change no figure. With ``out``, that directory gets the files of ``simulator run``, the
    same to the byte; without, nothing is written. ``tables`` names those of its ``--tables`` that are written beside:
    ``trades``, ``orders``, ``flows``, ``soc``, ``outage``.

    Ctrl-C ends it within a second or so: ``KeyboardInterrupt`` is raised, and nothing stands in ``out``.

    Raises ``ValueError`` for what cannot be in a scenario or an argument, and ``OSError`` for what cannot be read or
    written.
    """
    if isinstance(tables, str):
        raise ValueError(f"tables: expected a list of names, found the text `{tables}`")
    return json.loads(_voisin.run(scenario, seed, threads, out, list(tables)))
