"""Steps beside the program's run in `orders`: each line, with the scenario's own limits and with those limits asked for."""

import subprocess
import sys

import duckdb
import numpy

import voisin

COLUMNS = (
    "consumption_wh production_wh bought_wh sold_wh imported_wh exported_wh paid_nano earned_nano".split()
)

run = {
    table: duckdb.sql(f"select *, epoch(interval)::bigint start_s from 'orders/{table}.parquet' order by interval, member")
    .fetchnumpy()
    for table in ["lines", "orders"]
}
members = run["lines"]["member"].max()
starts = run["lines"]["start_s"].reshape(-1, members)[:, 0]
orders = {
    (start, member): (limit, asked)
    for start, member, limit, asked in zip(
        *(run["orders"][name].tolist() for name in ["start_s", "member", "limit_micro_per_kwh", "asked_wh"])
    )
}


def check(scenario: str, limits, *, same: bool) -> int:
    """Plays all intervals with the limits of each, and returns how many lines are those of the run."""
    market = voisin.Market(scenario, seed=7)
    assert (len(market), market.intervals) == (members, len(starts))
    lines = 0
    differs = False
    for at, start in enumerate(starts):
        assert (market.start_s, market.minutes, market.done) == (start, 15, False)
        step = market.step(*limits(start))
        rows = slice(at * members, (at + 1) * members)
        assert step.start_s == start
        for column in COLUMNS:
            found, expected = getattr(step, column), run["lines"][column][rows]
            assert found.dtype == numpy.int64
            differs |= not numpy.array_equal(found, expected)
            if same:
                assert numpy.array_equal(found, expected), f"{start} {column}: {found}, expected {expected}"
        lines += members
    assert market.done and market.step() is None
    assert differs != same
    return lines


def buy_and_sell(start: int, form):
    """What the run's orders asked for in an interval. Who had no energy had none, whatever it asks for."""
    both = [orders.get((start, member), (voisin.OWN, 0)) for member in range(1, members + 1)]
    buy = [limit if asked > 0 else voisin.OWN for limit, asked in both]
    sell = [limit if asked == 0 else voisin.OWN for limit, asked in both]
    return form(buy), form(sell)


own = check("street.toml", lambda start: (None, None), same=True)
sentinels = check("street.toml", lambda start: ([voisin.OWN] * members,) * 2, same=True)
listed = check("unasked.toml", lambda start: buy_and_sell(start, list), same=True)
arrays = check("unasked.toml", lambda start: buy_and_sell(start, numpy.array), same=True)
check("unasked.toml", lambda start: (None, None), same=False)
assert own == sentinels == listed == arrays

market = voisin.Market("street.toml", seed=7)
first = [market.step().alone_nano.tolist() for _ in range(50)]
market.reset()
assert [market.step().alone_nano.tolist() for _ in range(50)] == first, "the same again"
market.reset(seed=8)
assert [market.step().alone_nano.tolist() for _ in range(50)] != first, "of another seed"

for kind, limits, message in [
    (ValueError, [1] * (members - 1), f"buy: expected {8 * members} bytes, an int64 for each of {members} members, found"),
    (ValueError, [0] * (members - 1) + [1_000_000_001], f"buy[{members - 1}]: expected from -1000000000 to 1000000000 µ€/kWh"),
    (TypeError, [0.5] * members, ""),
    (TypeError, numpy.full(members, 0.5), "buy_micro: expected one row of int64, found 1 of float64"),
    (OverflowError, [2**63] * members, ""),
]:
    before = market.start_s
    try:
        market.step(limits)
    except kind as error:
        assert str(error).startswith(message), error
    else:
        raise AssertionError(f"expected {kind.__name__}: {message}")
    assert market.start_s == before, "what is refused plays nothing"

# Without numpy, the numbers are the same.
without = """
import sys
sys.modules["numpy"] = None
import voisin
market = voisin.Market("street.toml", seed=7)
steps = [market.step([200_000] * len(market)) for _ in range(60)]
print([step.cost_nano.tolist() for step in steps], [step.net_wh.tolist() for step in steps], market.stored_uwh.tolist())
"""
with_numpy = without.replace('import sys\nsys.modules["numpy"] = None\n', "")
said = [subprocess.check_output([sys.executable, "-c", program]) for program in [without, with_numpy]]
assert said[0] == said[1] and len(said[0]) > 1_000
print(f"{own} lines are the same, whoever asked")
