"""A real Home Assistant without a screen: `home_assistant.py CONFIG_DIRECTORY BROKER_PORT`.

It is started, taken through its first steps and shown the broker. Then each line on the standard input is a question,
and each line on the standard output an answer in JSON:

`states`            the states of all entities, with their attributes
`devices`           the devices that it knows
`warnings`          what it logged of MQTT, of sensors and of energy
`energy JSON`       takes these as the grid's sensors, waits for the first statistics, and says what it finds wrong
`token`             an access token
"""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import time

import aiohttp

BASE = "http://127.0.0.1:8123"
CONFIGURATION = """
homeassistant:
  name: Home
  latitude: 48.2
  longitude: 16.4
  elevation: 170
  unit_system: metric
  time_zone: Europe/Vienna
  currency: EUR
energy:
system_log:
recorder:
  commit_interval: 1
"""
# Statistics are made every five minutes.
STATISTICS_S = 330


async def until_ready(session, process):
    while True:
        if process.poll() is not None:
            sys.exit("Home Assistant has ended")
        try:
            async with session.get(BASE + "/api/onboarding") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.5)


async def post(session, path, token=None, **body):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    form = {"data": body} if path == "/auth/token" else {"json": body}
    async with session.post(BASE + path, headers=headers, **form) as response:
        response.raise_for_status()
        return await response.json()


async def first_steps(session, port):
    user = {"name": "t", "username": "t", "password": "tttttttt", "language": "en"}
    code = (await post(session, "/api/onboarding/users", client_id=BASE + "/", **user))["auth_code"]
    grant = {"client_id": BASE + "/", "grant_type": "authorization_code", "code": code}
    token = (await post(session, "/auth/token", **grant))["access_token"]
    flow = await post(session, "/api/config/config_entries/flow", token, handler="mqtt", show_advanced_options=False)
    await post(session, "/api/config/config_entries/flow/" + flow["flow_id"], token, broker="127.0.0.1", port=port)
    return token


class Socket:
    """The WebSocket, which is asked one thing after the other."""

    def __init__(self, socket):
        self.socket = socket
        self.count = 0

    async def ask(self, **question):
        self.count += 1
        await self.socket.send_json({"id": self.count, **question})
        while True:
            answer = await self.socket.receive_json()
            if answer.get("id") == self.count and answer["type"] == "result":
                return answer


def grid(sensors):
    """The grid of the energy dashboard, as versions before 2026 have it."""
    drawn = {"stat_energy_from": sensors["import"], "stat_cost": sensors["cost"]}
    fed_in = {"stat_energy_to": sensors["export"], "stat_compensation": sensors["compensation"]}
    prices = {"entity_energy_price": None, "number_energy_price": None}
    return {"type": "grid", "flow_from": [drawn | prices], "flow_to": [fed_in | prices], "cost_adjustment_day": 0}


async def energy(socket, sensors):
    saved = await socket.ask(type="energy/save_prefs", energy_sources=[grid(sensors)])
    until = time.monotonic() + STATISTICS_S
    while True:
        found = await socket.ask(type="energy/validate")
        issues = [issue for source in found["result"]["energy_sources"] for issue in source]
        if not issues or time.monotonic() > until:
            return {"saved": saved["success"], "issues": [issue["type"] for issue in issues]}
        await asyncio.sleep(2)


async def answer(session, socket, token, line):
    question, _, rest = line.strip().partition(" ")
    if question == "states":
        async with session.get(BASE + "/api/states", headers={"Authorization": f"Bearer {token}"}) as response:
            return {state["entity_id"]: state for state in await response.json()}
    if question == "devices":
        return (await socket.ask(type="config/device_registry/list"))["result"]
    if question == "warnings":
        log = (await socket.ask(type="system_log/list"))["result"]
        return [entry["message"] for entry in log if any(part in entry["name"] for part in ("mqtt", "sensor", "energy"))]
    if question == "energy":
        return await energy(socket, json.loads(rest))
    return token


async def main(directory, port):
    directory = pathlib.Path(directory)
    (directory / "configuration.yaml").write_text(CONFIGURATION)
    bin = pathlib.Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{bin}:{os.environ['PATH']}"}
    with open(directory / "output", "w") as output:
        process = subprocess.Popen([bin / "hass", "-c", directory], env=environment, stdout=output, stderr=output)
    try:
        async with aiohttp.ClientSession() as session:
            await until_ready(session, process)
            token = await first_steps(session, port)
            async with session.ws_connect(BASE + "/api/websocket", heartbeat=20, max_msg_size=0) as socket:
                await socket.receive_json()
                await socket.send_json({"type": "auth", "access_token": token})
                await socket.receive_json()
                asked = Socket(socket)
                print(json.dumps("ready"), flush=True)
                # Read elsewhere, so that the WebSocket is kept alive meanwhile.
                while line := await asyncio.to_thread(sys.stdin.readline):
                    print(json.dumps(await answer(session, asked, token, line)), flush=True)
    finally:
        process.terminate()
        process.wait()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
