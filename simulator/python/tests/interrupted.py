"""A run that somebody interrupts: it ends with its next block of work, and leaves nothing that looks like a result."""

import os
import pathlib
import signal
import threading

import voisin


def interrupted(**named) -> None:
    """Presses Ctrl-C once the run has begun, which takes far longer than that."""

    def press() -> None:
        while "out" in named and not list(pathlib.Path(".").glob("year.unfinished/lines.parquet")):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Timer(0.5, press)
    presser.start()
    try:
        voisin.run("year.toml", **named)
    except KeyboardInterrupt:
        return
    finally:
        presser.join()
    raise AssertionError(f"{named}: expected KeyboardInterrupt, found that it ran to its end")


interrupted()
interrupted(out="year", tables=["trades"])
assert not pathlib.Path("year").exists(), sorted(pathlib.Path(".").iterdir())

# What a handler of one's own raises is what is raised; the same directory is used afterwards.
class Enough(Exception):
    """Raised by a handler."""


def enough(*_) -> None:
    raise Enough


before = signal.signal(signal.SIGINT, enough)
try:
    interrupted(out="year")
except Enough:
    pass
signal.signal(signal.SIGINT, before)
figures = voisin.run("street.toml", out="year")
assert figures["members"] == 20 and pathlib.Path("year/summary.json").exists()
print("interrupted, and played again")
