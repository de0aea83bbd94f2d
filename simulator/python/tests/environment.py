"""The environment beside PettingZoo's own tests, and what it says of a step beside the market's own numbers."""

import warnings

import numpy
from pettingzoo.test import parallel_api_test, parallel_seed_test

import voisin
from voisin.parallel_env import OBSERVATION, MarketEnv

warnings.simplefilter("error")
forms = [{}, {"steps": 5}]


def played(seed: int, steps: int | None, reseeded: int | None = None):
    """All observations and rewards of an episode of chance actions that do not depend on the seed."""
    env = MarketEnv("street.toml", seed=seed, steps=steps)
    observations, _ = env.reset(seed=reseeded)
    for number, agent in enumerate(env.agents):
        env.action_space(agent).seed(number)
    seen = [observations]
    while env.agents:
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        observations, rewards, terminations, truncations, infos = env.step(actions)
        ends = not env.agents
        assert not any(terminations.values()) and set(truncations.values()) == {ends}
        for agent, reward in rewards.items():
            assert env.observation_space(agent).contains(observations[agent]), observations[agent]
            assert reward == (infos[agent]["alone_nano"] - infos[agent]["cost_nano"]) / 1e7
            assert reward >= 0, "between the supplier's prices nobody loses"
        seen += [observations, rewards]
    assert len(seen) == 1 + 2 * env.market.intervals
    return [{agent: numpy.asarray(value).tolist() for agent, value in of_all.items()} for of_all in seen]


for form in forms:
    parallel_api_test(MarketEnv("street.toml", **form), num_cycles=200)
    parallel_seed_test(lambda: MarketEnv("street.toml", **form))
    # PettingZoo's test of seeds ends after its first step.
    steps = form.get("steps")
    once = played(7, steps)
    assert once == played(7, steps) == played(1, steps, reseeded=7)
    assert once != played(8, steps)

# Who asks for nothing has its strategy; what is observed is what the market says, of the interval before.
env, market = MarketEnv("street.toml", seed=7), voisin.Market("street.toml", seed=7)
observations, _ = env.reset()
assert all(observation[OBSERVATION.index("net_kwh")] == 0 for observation in observations.values())
traded = 0
while env.agents:
    hour = market.start_s % 86_400 / 3_600
    assert observations["h01"][OBSERVATION.index("hour")] == numpy.float32(hour)
    observations, rewards, *_, infos = env.step({})
    step = market.step()
    assert [infos[name]["cost_nano"] for name in market.names] == step.cost_nano.tolist()
    for at, name in enumerate(market.names):
        expected = [step.net_wh[at] / 1e3, market.stored_uwh[at] / 1e9, 0.30, 0.08]
        expected += [0, 0] if step.price_micro is None else [step.price_micro / 1e6, 1]
        assert observations[name][:6].tolist() == numpy.float32(expected).tolist()
    traded += step.price_micro is not None
assert traded > 20, traded

# A community without any device.
env = MarketEnv("[community.drawn]\nhomes = 3\n[period]\ndays = 1\n")
observations, _ = env.reset()
assert [observation[OBSERVATION.index("stored_kwh")] for observation in observations.values()] == [0, 0, 0]
assert env.agents == ["h1", "h2", "h3"]

# The ends of the actions are the supplier's prices.
env = MarketEnv("street.toml", steps=3)
assert env._limits([0, 1]) == (80_000, 190_000) and env._limits([2, 2]) == (300_000, 300_000)
assert MarketEnv("street.toml")._limits(numpy.float32([0, 1])) == (80_000, 300_000)
try:
    MarketEnv("street.toml", steps=1)
except ValueError as error:
    assert str(error) == "steps: expected at least 2 prices, found 1"
else:
    raise AssertionError("one price is no choice")
print(f"{len(forms)} forms of actions")
