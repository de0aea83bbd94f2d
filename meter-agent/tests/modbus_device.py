"""A Modbus device, played by pymodbus: `modbus_device.py tcp|rtu+tcp|serial TEMPLATE`.

It has every register that the template reads, encoded by pymodbus, and nothing else. The first line that it prints is
JSON: its `address`, and what a reader should find: `import_wh`, `export_wh` and `power_w`.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import tomllib
import tty
from decimal import ROUND_HALF_EVEN, Decimal

from pymodbus import FramerType
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

Words = ModbusClientMixin.DATATYPE
ENCODINGS = {
    "u16": Words.UINT16,
    "i16": Words.INT16,
    "u32": Words.UINT32,
    "i32": Words.INT32,
    "u64": Words.UINT64,
    "i64": Words.INT64,
    "f32": Words.FLOAT32,
    "f64": Words.FLOAT64,
}
ENERGY = {"Wh": 1, "kWh": 1_000, "MWh": 1_000_000}
POWER = {"W": 1, "kW": 1_000}


def encoded(field, value):
    """The words of a value, and the value that they stand for."""
    order = "little" if field.get("words") == "low_first" else "big"
    encoding = ENCODINGS[field["as"]]
    words = ModbusClientMixin.convert_to_registers(value, encoding, word_order=order)
    return words, Decimal(ModbusClientMixin.convert_from_registers(words, encoding, word_order=order))


def fill(template):
    """Registers of both tables, and what is to be found in them."""
    tables = {"holding": [], "input": []}

    def add(section, value):
        total = Decimal(0)
        for field in section["read"]:
            table = "input" if "input" in field else "holding"
            words, meant = encoded(field, value if field["as"][0] == "f" else int(value))
            tables[table].append(SimData(field[table], values=words, datatype=DataType.REGISTERS))
            total += meant * Decimal(field.get("scale", "1"))
        return total

    found = {
        "import_wh": int(add(template["import"], 12_345.678) * ENERGY[template["import"]["unit"]]),
        "export_wh": int(add(template["export"], 23_456.789) * ENERGY[template["export"]["unit"]]),
    }
    if power := template.get("power"):
        value = add(power, -321.0 if power["read"][0]["as"][0] in "fi" else 321) * POWER[power["unit"]]
        found["power_w"] = int(value.quantize(Decimal(1), ROUND_HALF_EVEN))
    return tables, found


def terminals():
    """Two terminals, of which each receives what is written to the other."""
    (here, here_name), (there, there_name) = ((end, os.ttyname(name)) for end, name in (os.openpty(), os.openpty()))
    for end in (here, there):
        tty.setraw(end)

    def pass_on(source, target):
        while data := os.read(source, 256):
            os.write(target, data)

    for ends in ((here, there), (there, here)):
        threading.Thread(target=pass_on, args=ends, daemon=True).start()
    return here_name, there_name


async def main(way, path):
    with open(path, "rb") as file:
        template = tomllib.load(file)
    tables, found = fill(template)
    for table in tables.values():
        table.sort(key=lambda data: data.address)
    # An empty table is none that pymodbus takes.
    blocks = [[SimData(0, datatype=DataType.BITS)]] * 2
    blocks += [tables[name] or [SimData(0, datatype=DataType.REGISTERS)] for name in ("holding", "input")]
    device = SimDevice(id=template["modbus"].get("unit", 1), simdata=tuple(blocks))
    if way == "serial":
        ours, theirs = terminals()
        print(json.dumps({"address": f"serial://{theirs}", **found}), flush=True)
        await StartAsyncSerialServer(device, port=ours, baudrate=template["modbus"].get("baud", 9_600))
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        print(json.dumps({"address": f"{way}://127.0.0.1:{port}", **found}), flush=True)
        framer = FramerType.RTU if way == "rtu+tcp" else FramerType.SOCKET
        await StartAsyncTcpServer(device, address=("127.0.0.1", port), framer=framer)


asyncio.run(main(*sys.argv[1:]))
