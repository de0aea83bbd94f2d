"""What pysml reads of the dumps of meters whose files are named: a line of JSON for each transmission.

Registers are whole Wh: the total where a transmission has it, else the sum of the tariffs; null where it has neither.
`power_w` is net and in whole W, `bytes` the transmission in hexadecimal digits.
"""

import json
import pathlib
import sys
from decimal import Decimal

from sml import SmlBase, SmlListEntry

START = bytes.fromhex("1b1b1b1b01010101")
UNITS = ("Wh", "W")


def transmissions(dump):
    while True:
        end, frame = SmlBase.find_frame(dump)
        if frame is None:
            return
        yield dump[dump.rfind(START, 0, end) : end], frame
        dump = dump[end:]


def values(frame):
    for message in frame:
        for entry in message["messageBody"].get("valList", []):
            if isinstance(entry, SmlListEntry) and "value" in entry and entry.get("unit") in UNITS:
                # A float has no digits beyond those that the meter sent: its shortest text is what was sent.
                yield entry["objName"], Decimal(str(entry["value"]))


def total_wh(found, direction):
    total = found.get(f"1-0:{direction}.8.0*255")
    tariffs = [found[name] for e in range(1, 5) if (name := f"1-0:{direction}.8.{e}*255") in found]
    return int(total if total is not None else sum(tariffs)) if total is not None or tariffs else None


for name in sys.argv[1:]:
    for sent, frame in transmissions(pathlib.Path(name).read_bytes()):
        found = dict(values(frame))
        power = found.get("1-0:16.7.0*255")
        read = {
            "name": pathlib.Path(name).stem,
            "bytes": sent.hex(),
            "import_wh": total_wh(found, 1),
            "export_wh": total_wh(found, 2),
            "power_w": None if power is None else int(power),
        }
        print(json.dumps(read))
