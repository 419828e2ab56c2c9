"""Replicas are exchanged under load: no handshake fails, and the registry loses nobody."""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import pytest
from cluster import Cluster, as_root, cookie
from helpers import IMAGE, TOOLS, values_of

SECRET = "keyboard cat"
SESSION = "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa"
NAME = "front-socketpass-headless.passports.svc"
REPLICAS = 3

# The image's files of the last release, as `make upgrade-test` makes them.
RELEASED = TOOLS / "released"


class Fleet:
    """The gateways of fleet.py, to which the Service's name means the addresses that it was given last."""

    def __init__(self, port):
        self.port = port
        self.folder = tempfile.TemporaryDirectory()
        self.hosts = Path(self.folder.name) / "hosts"

    def resolves_to(self, pods):
        # In place: the file is mounted.
        self.hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{pod.address} {NAME}\n" for pod in pods))

    def start(self, header):
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        command = ["unshare", *as_root(), "--mount", "sh", "-c", script, str(self.hosts), sys.executable]
        command += [str(Path(__file__).with_name("fleet.py")), f"dns:///{NAME}:{self.port}", header]
        # getaddrinfo, which reads the hosts file each time.
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "GRPC_DNS_RESOLVER": "native"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        self.hear("listed")

    def hear(self, event):
        line = json.loads(self.process.stdout.readline())
        assert line["event"] == event, line
        return line

    def say(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        self.folder.cleanup()


def sockets(stubs, pod, port):
    """What a replica says is open."""
    _, _, messages, services = stubs
    with grpc.insecure_channel(f"{pod.address}:{port}") as channel:
        answers = services.RegistryServiceStub(channel).FilterSockets(messages.FilterSocketsRequest(filter="true"))
        return sorted(f"{socket.gateway_id}/{socket.socket_id}" for answer in answers for socket in answer.sockets)


def roll(stubs, redis, *images):
    """Exchanges each replica by one of the next image, as a Deployment does it: first a new one, then an old one goes."""
    redis.log_in(SESSION, '{"id": 7, "name": "Ana"}')
    stores = f"sessionStore.url={redis.url},registryStore.url={redis.url},replicaCount={REPLICAS}"
    addresses = (f"127.0.1.{number}" for number in range(1, 255))
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster("--values", values_of("anonymous"), "--set", stores))
        fleet = stack.enter_context(Fleet(cluster.grpc_port))
        pods = [cluster.start_service(next(addresses), images[0]) for _ in range(REPLICAS)]
        fleet.resolves_to(pods)
        fleet.start(cookie(SESSION, SECRET, "express.sid"))
        for image in images[1:]:
            for _ in range(REPLICAS):
                pods.append(cluster.start_service(next(addresses), image))
                old = pods.pop(0)
                # At the same moment: nobody is told before (the chart gives five seconds for that where it can).
                fleet.resolves_to(pods)
                old.end()
        fleet.say("end")
        report = fleet.hear("end")
        print({key: value for key, value in report.items() if key != "open"})
        assert report["failed"] == []
        assert report["lost"] == []
        assert report["handshakes"] > 1_000 and report["answers"] > 10 and report["changes"] > 1_000
        # Each gateway had to move in each round, and none more often than replicas went.
        rounds = len(images) - 1
        assert 20 * (1 + rounds) <= report["streams"] <= 20 * (1 + REPLICAS * rounds)
        for pod in pods:
            assert sockets(stubs, pod, cluster.grpc_port) == report["open"]
        fleet.say("done")
        for pod in pods:
            pod.end()


def test_a_rolling_restart_loses_nothing(stubs, redis):
    roll(stubs, redis, IMAGE, IMAGE)


def test_a_rolling_update_from_the_last_release_and_back_loses_nothing(stubs, redis):
    if not RELEASED.exists():
        pytest.skip("needs the last release's image: `make upgrade-test RELEASE=<git revision>` makes it")
    roll(stubs, redis, RELEASED, IMAGE, RELEASED)
