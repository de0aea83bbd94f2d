"""A household to try an agent with that was built, packaged or installed: a genesis for the keys that it made itself, a
meter that sends a telegram each second, and what systemd would hear of the agent."""

import json
import os
import pathlib
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

VECTORS = pathlib.Path(__file__).parents[2] / "protocol/vectors/genesis.json"
PATIENCE_S = 60


def genesis(device, member):
    """A community of nobody but the household with these keys."""
    example = json.loads(VECTORS.read_text())["genesis"]
    # Of the example only the keys of others, which it takes to be one.
    return json.dumps({
        "community": "Trial Street",
        "currency": "EUR",
        "first_interval": "2026-06-01T12:00:00Z/PT15M",
        "market": example["market"],
        "validators": example["validators"],
        "rules": {"retail_price": "0.30", "feed_in_price": "0.08", "mechanism": "uniform"},
        "members": [{"member": "01" * 16, "key": member, "device": device, "rated_power_w": 10_000}],
    })


class _Meter(socketserver.BaseRequestHandler):
    def handle(self):
        counted = 12_345_678
        try:
            while True:
                counted += 1
                imported = f"{counted // 1_000:06}.{counted % 1_000:03}"
                telegram = f"/VOI5\\trial\r\n\r\n1-0:1.8.0({imported}*kWh)\r\n1-0:2.8.0(000000.000*kWh)\r\n!\r\n"
                self.request.sendall(telegram.encode())
                time.sleep(1)
        except OSError:
            pass


def meter():
    """Starts a meter that draws 3.6 kW; says its address."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Meter)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"tcp://127.0.0.1:{server.server_address[1]}"


def set_up(program, home, port):
    """Has the agent that this command starts make its keys in `home`, and gives it a broker and a meter."""
    said = subprocess.run([*program, "init", "--dir", home], check=True, text=True, stdout=subprocess.PIPE).stdout
    keys = (re.search(f"^{key} +(did:key:\\S+)$", said, re.MULTILINE)[1] for key in ("device", "member"))
    (home / "genesis.json").write_text(genesis(*keys))
    (home / "agent.toml").write_text(
        f'genesis = "genesis.json"\nstate = "state"\nbroker = "mqtt://127.0.0.1:{port}"\n'
        f'[source]\nkind = "obis"\naddress = "{meter()}"\nmeter_time = false\n'
    )


class Mosquitto:
    """One on a free port, as long as this lasts."""

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.directory = tempfile.TemporaryDirectory()
        configuration = pathlib.Path(self.directory.name, "mosquitto.conf")
        configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", configuration], **quiet)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


class Service:
    """An agent, started as systemd does it: what it says of itself is heard. Its socket is made in this directory."""

    def __init__(self, command, directory, watchdog_s):
        path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE_S)
        told = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(watchdog_s * 1_000_000)}
        self.process = subprocess.Popen(command, env=os.environ | told)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.socket.close()

    def until(self, wanted):
        """Waits until it says something that `wanted` is found in."""
        until = time.monotonic() + PATIENCE_S
        while not re.search(wanted, said := self.socket.recv(4_096).decode()):
            if time.monotonic() > until:
                sys.exit(f"expected the agent to say {wanted}, found at last {said!r}")

    def stop(self):
        """Tells it to stop, as systemd does, and sees that it does so in order."""
        self.process.terminate()
        self.until("STOPPING=1")
        if code := self.process.wait(PATIENCE_S):
            sys.exit(f"expected the agent to stop in order, found exit code {code}")
