"""What dsmr_parser reads of the telegrams whose files are named: a line of JSON for each.

Registers are whole Wh: the total where a telegram has it, else the sum of the tariffs. `at_s` is the telegram's own
time, in seconds after 1970.
"""

import json
import pathlib
import sys
from decimal import Decimal

from dsmr_parser import obis_references as obis
from dsmr_parser.parsers import CosemParser, TelegramParser, ValueParser
from dsmr_parser.value_types import timestamp

NUMBERS = {
    "import_0": obis.ELECTRICITY_IMPORTED_TOTAL,
    "import_1": obis.ELECTRICITY_USED_TARIFF_1,
    "import_2": obis.ELECTRICITY_USED_TARIFF_2,
    "import_3": obis.ELECTRICITY_USED_TARIFF_3,
    "import_4": obis.ELECTRICITY_USED_TARIFF_4,
    "export_0": obis.ELECTRICITY_EXPORTED_TOTAL,
    "export_1": obis.ELECTRICITY_DELIVERED_TARIFF_1,
    "export_2": obis.ELECTRICITY_DELIVERED_TARIFF_2,
    "export_3": obis.ELECTRICITY_DELIVERED_TARIFF_3,
    "export_4": obis.ELECTRICITY_DELIVERED_TARIFF_4,
}


def objects():
    for name, reference in NUMBERS.items():
        yield {"obis_reference": reference, "value_parser": CosemParser(ValueParser(Decimal)), "value_name": name}
    at = CosemParser(ValueParser(timestamp))
    yield {"obis_reference": obis.P1_MESSAGE_TIMESTAMP, "value_parser": at, "value_name": "at"}


def total_wh(telegram, direction):
    found = {at: getattr(telegram, f"{direction}_{at}", None) for at in range(5)}
    used = [found[0]] if found[0] else [found[at] for at in range(1, 5) if found[at]]
    return int(sum(value.value * {"Wh": 1, "kWh": 1000}[value.unit] for value in used))


for name in sys.argv[1:]:
    text = pathlib.Path(name).read_bytes().decode("ascii")
    checked = not text.endswith("!\r\n")
    parser = TelegramParser({"checksum_support": checked, "objects": list(objects())})
    telegram = parser.parse(text, throw_ex=True)
    at = getattr(telegram, "at", None)
    print(
        json.dumps(
            {
                "import_wh": total_wh(telegram, "import"),
                "export_wh": total_wh(telegram, "export"),
                "at_s": at and int(at.value.timestamp()),
            }
        )
    )
