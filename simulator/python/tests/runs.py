"""A run from Python, beside that of the program in `out`: the same files and figures, and errors as Python has them."""

import json
import pathlib

import voisin


def raised(kind: type[Exception], *arguments, **named) -> str:
    """The message of what `voisin.run` raises, which is of this kind."""
    try:
        voisin.run(*arguments, **named)
    except kind as error:
        message = str(error)
        assert "\n" not in message, message
        return message
    raise AssertionError(f"{arguments} {named}: expected {kind.__name__}, found nothing raised")


here = pathlib.Path(".")
figures = voisin.run("street.toml", seed=7, threads=2, out="from-python")
expected = {path.name: path.read_bytes() for path in here.joinpath("out").iterdir()}
found = {path.name: path.read_bytes() for path in here.joinpath("from-python").iterdir()}
assert found == expected, f"{sorted(found)}, and of the program {sorted(expected)}"
assert figures == json.loads(expected["summary.json"])

voisin.run("street.toml", seed=7, out="from-python-tables", tables=["trades", "soc"])
for table in ["trades.parquet", "soc.parquet"]:
    written = here.joinpath("from-python-tables", table).read_bytes()
    assert written == here.joinpath("tables", table).read_bytes(), table

text = here.joinpath("street.toml").read_text()
before = sorted(here.iterdir())
assert voisin.run(text, seed=7, threads=1) == figures, "a text is read as a file is"
assert voisin.run(here / "street.toml", seed=8) != figures, "another seed draws others"
assert sorted(here.iterdir()) == before, "without a directory nothing is written"

here.joinpath("broken.toml").write_text("[community.drawn]\nhomes = 0\n")
for arguments, named, message in [
    (("broken.toml",), {}, "broken.toml: community.drawn.homes: expected from 1 to 1000000, found 0"),
    (("[community.drawn]\nhomes = 0\n",), {}, "community.drawn.homes: expected from 1 to 1000000, found 0"),
    (("street.toml",), {"seed": -1}, "seed: expected from 0 to 18446744073709551615, found -1"),
    (("street.toml",), {"threads": 0}, "threads: expected from 1 to 1024, found 0"),
    (("street.toml",), {"out": "orders"}, "--out: expected no directory, or one of the same"),
    (("street.toml",), {"tables": ["trades"]}, "tables: expected a directory in `out` to write trades to, found none"),
    (("street.toml",), {"tables": ["trade"], "out": "x"}, "tables: expected some of trades, orders, flows, soc, outage, found"),
    (("street.toml",), {"tables": "trades", "out": "x"}, "tables: expected a list of names, found the text `trades`"),
    (("street.toml",), {"tables": ["flows"], "out": "x"}, "--tables: expected a grid for `flows`, found none"),
]:
    error = raised(ValueError, *arguments, **named)
    assert error.startswith(message), error
assert not here.joinpath("x").exists()
assert raised(FileNotFoundError, "nowhere.toml").startswith("nowhere.toml: cannot be read")
assert "expected a directory that can be made" in raised(OSError, "street.toml", out="street.toml/out")
print(f"{len(found)} files are the same")
