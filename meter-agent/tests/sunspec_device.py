"""A SunSpec device of one unit, played by pymodbus and filled by pysunspec2: `sunspec_device.py MODEL...`.

Models are in the order that is given, after `SunS`; each meter has a common model of its own before it. The first line
that it prints is JSON: its `address`, and what pysunspec2's own client reads of each meter through it.
"""

import asyncio
import json
import socket
import sys
import threading
import time
from decimal import Decimal

import sunspec2.device
import sunspec2.modbus.client
from pymodbus.server import StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

BASE = 40_000
UNIT = 71
FLOATS = range(211, 215)


def words(data):
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def model(number, values):
    definition = sunspec2.device.get_model_def(number)
    length = sum(point["size"] for point in definition["group"]["points"]) - 2
    empty = number.to_bytes(2, "big") + length.to_bytes(2, "big") + bytes(2 * length)
    made = sunspec2.device.Model(number, data=empty)
    for name, value in values.items():
        getattr(made, name).value = value
    return words(made.get_mb())


def image(models):
    found = [0x5375, 0x6E53]
    for at, number in enumerate(models, 1):
        found += model(1, {"Mn": "Voisin", "Md": "Test", "SN": f"45303034{at}"})
        if number in FLOATS:
            found += model(number, {"W": -1907.0, "TotWhImp": 9_681_017.0 + at, "TotWhExp": 3_414_657.0})
        elif 201 <= number <= 204:
            scaled = {"TotWhImp": 96_810_173 + 10 * at, "TotWhExp": 34_146_579, "TotWh_SF": -1}
            found += model(number, {"W": -1907, "W_SF": 0, **scaled})
        else:
            found += model(number, {})
    return found + [0xFFFF, 0]


def read(port):
    """What pysunspec2 finds in the device, once it is there."""
    client = sunspec2.modbus.client.SunSpecModbusClientDeviceTCP(slave_id=UNIT, ipaddr="127.0.0.1", ipport=port)
    client.connect()
    client.scan()
    meters = [meter for number in (*range(201, 205), *FLOATS) for meter in client.models.get(number, [])]
    serials = {common.model_addr: common.SN.value for common in client.models[1]}
    for meter in sorted(meters, key=lambda meter: meter.model_addr):
        meter.read()
        scale = Decimal(10) ** meter.TotWh_SF.value if meter.model_id not in FLOATS else Decimal(1)
        yield {
            "import_wh": int(Decimal(meter.TotWhImp.value) * scale),
            "export_wh": int(Decimal(meter.TotWhExp.value) * scale),
            "power_w": int(meter.W.cvalue),
            "serial": serials[max(address for address in serials if address < meter.model_addr)],
        }
    client.close()


def tell(port):
    while True:
        try:
            meters = list(read(port))
            break
        except (OSError, sunspec2.modbus.client.modbus_client.ModbusClientError):
            time.sleep(0.1)
    print(json.dumps({"address": f"tcp://127.0.0.1:{port}", "meters": meters}), flush=True)


async def main(models):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    registers = [SimData(BASE, values=image(models), datatype=DataType.REGISTERS)]
    device = SimDevice(id=UNIT, simdata=registers)
    threading.Thread(target=tell, args=(port,), daemon=True).start()
    await StartAsyncTcpServer(device, address=("127.0.0.1", port))


asyncio.run(main([int(number) for number in sys.argv[1:]]))
