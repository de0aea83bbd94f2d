"""The market as a PettingZoo environment: each member is an agent, and asks for its prices."""

import os

import gymnasium
import numpy
import pettingzoo

from voisin.market import OWN, Market, Step

OBSERVATION = ("net_kwh", "stored_kwh", "retail", "feed_in", "price", "traded", "hour")
"""What a household knows when it bids, in this order:

``net_kwh``: what its meter said of the interval before, drawn less fed in, kWh.
``stored_kwh``: what its battery holds, kWh.
``retail``, ``feed_in``: the supplier's prices in the interval that it bids for, €/kWh.
``price``: the price of the interval before, €/kWh, and ``traded``, whether there was one: 1, or 0 and a price of 0.
``hour``: when the interval that it bids for starts, hours of the day, UTC.
"""

NANO_PER_CENT = 10_000_000


class MarketEnv(pettingzoo.ParallelEnv):
    """A scenario's members, each of whom asks in each interval for a price to buy and a price to sell at.

    **Action**: two numbers, for the highest price to buy at and the lowest to sell at; 0 is the supplier's feed-in price
    and the most its retail price, so that nobody can do worse than with the supplier alone. Without ``steps`` a ``Box``
    from 0 to 1, cut to whole µ€/kWh; with ``steps``, a ``MultiDiscrete`` of so many prices at equal distances.

    **Observation**: ``OBSERVATION``. As in production, prices are asked for before the interval's energy is known, and
    nobody sees what is another's.

    **Reward**: what the member saved in the interval against having the supplier alone, in cents. The exact amounts, in
    n€, are in its ``info``: ``cost_nano`` and ``alone_nano``.

    Every agent is truncated at the end of the scenario's period; none ends before.

    ``reset(seed=...)`` draws the scenario's community and its days from that seed; without a seed they are the same as
    before.
    """

    metadata = {"name": "voisin_market_v0", "render_modes": []}
    render_mode = None

    def __init__(self, scenario: str | os.PathLike[str], seed: int | None = None, steps: int | None = None):
        if steps is not None and steps < 2:
            raise ValueError(f"steps: expected at least 2 prices, found {steps}")
        self.market = Market(scenario, seed)
        self.possible_agents = list(self.market.names)
        self.agents: list[str] = []
        self._steps = steps
        self._last: Step | None = None
        self._observed = {agent: _observed() for agent in self.possible_agents}
        self._asked = {agent: _asked(steps) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> gymnasium.spaces.Box:
        """The space of ``OBSERVATION``."""
        return self._observed[agent]

    def action_space(self, agent: str) -> gymnasium.spaces.Space:
        """The space of the price to buy at and the price to sell at."""
        return self._asked[agent]

    def reset(self, seed: int | None = None, options: dict | None = None):
        """Go back to before the first interval."""
        self.market.reset(seed)
        self.agents = list(self.possible_agents)
        self._last = None
        return self._observations(), {agent: {} for agent in self.agents}

    def step(self, actions: dict):
        """Play the next interval. Who is not in ``actions`` bids as its strategy in the scenario does."""
        asked = [self._limits(actions[agent]) if agent in actions else (OWN, OWN) for agent in self.agents]
        buy, sell = zip(*asked)
        self._last = step = self.market.step(buy, sell)
        done = self.market.done
        agents = self.agents
        cost, alone = step.cost_nano.tolist(), step.alone_nano.tolist()
        rewards = {agent: (alone[at] - cost[at]) / NANO_PER_CENT for at, agent in enumerate(agents)}
        infos = {agent: {"cost_nano": cost[at], "alone_nano": alone[at]} for at, agent in enumerate(agents)}
        observations = self._observations()
        if done:
            self.agents = []
        return observations, rewards, dict.fromkeys(agents, False), dict.fromkeys(agents, done), infos

    def _limits(self, action) -> tuple[int, int]:
        """The prices of an action, µ€/kWh."""
        feed_in = self.market.feed_in_micro
        span = self.market.retail_micro - feed_in
        if self._steps is None:
            return tuple(feed_in + int(span * min(max(float(part), 0.0), 1.0)) for part in action)
        return tuple(feed_in + span * int(step) // (self._steps - 1) for step in action)

    def _observations(self) -> dict:
        market, last = self.market, self._last
        seen = numpy.zeros((len(market), len(OBSERVATION)), dtype=numpy.float32)
        seen[:, 1] = market.stored_uwh / 1e9
        if not market.done:
            self._upcoming = (market.retail_micro / 1e6, market.feed_in_micro / 1e6, market.start_s % 86_400 / 3_600)
        seen[:, 2], seen[:, 3], seen[:, 6] = self._upcoming
        if last is not None:
            seen[:, 0] = last.net_wh / 1e3
            if last.price_micro is not None:
                seen[:, 4], seen[:, 5] = last.price_micro / 1e6, 1
        return dict(zip(self.possible_agents, seen))


def _observed() -> gymnasium.spaces.Box:
    no_end = numpy.inf
    low = numpy.array([-no_end, 0, -no_end, -no_end, -no_end, 0, 0], dtype=numpy.float32)
    high = numpy.array([no_end, no_end, no_end, no_end, no_end, 1, 24], dtype=numpy.float32)
    return gymnasium.spaces.Box(low, high)


def _asked(steps: int | None) -> gymnasium.spaces.Space:
    if steps is None:
        return gymnasium.spaces.Box(0.0, 1.0, (2,), numpy.float32)
    return gymnasium.spaces.MultiDiscrete([steps, steps])
