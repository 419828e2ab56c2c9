"""Twenty gateways under load, with the API as it was published last, and somebody who looks whether the registry has them.

A program of its own: its resolver is to read a hosts file of the test's. It says on standard output when all are listed,
and at the end, which it is told on standard input, what happened, each as JSON in a line.
"""

import asyncio
import itertools
import json
import random
import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from helpers import ROOT

GATEWAYS = 20
# So many sockets a gateway holds; for each that comes then, the oldest goes.
SOCKETS = 100
HANDSHAKE_EVERY = 0.05
FLUSH_EVERY = 0.05
LOOK_EVERY = 0.2
# Replicas answer from a view that follows Redis within milliseconds; on a busy machine it may be more.
SETTLED_AFTER = 3

CHANNEL = {
    "grpc.lb_policy_name": "round_robin",
    "grpc.use_local_subchannel_pool": 1,
    "grpc.dns_min_time_between_resolutions_ms": 1_000,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    # A handshake may be asked again: it changes nothing.
    "grpc.service_config": json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [
                {
                    "name": [{"service": "socketpass.v1.AuthorizationService"}],
                    "retryPolicy": {
                        "maxAttempts": 4,
                        "initialBackoff": "0.05s",
                        "maxBackoff": "1s",
                        "backoffMultiplier": 2,
                        "retryableStatusCodes": ["UNAVAILABLE"],
                    },
                }
            ],
        }
    ),
}


class Api:
    """The messages of the published API, whatever this checkout's are."""

    def __init__(self):
        self.pool = descriptor_pool.DescriptorPool()
        published = (ROOT / "proto/published.binpb").read_bytes()
        for file in descriptor_pb2.FileDescriptorSet.FromString(published).file:
            self.pool.Add(file)

    def __getattr__(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"socketpass.v1.{name}"))

    def method(self, channel, service, name):
        method = self.pool.FindServiceByName(f"socketpass.v1.{service}").FindMethodByName(name)
        kinds = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, True): channel.stream_stream,
        }
        return kinds[method.client_streaming, method.server_streaming](
            f"/socketpass.v1.{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )


api = Api()


class Gateway:
    def __init__(self, name, target, cookie):
        self.name, self.cookie = name, cookie
        self.channel = grpc.aio.insecure_channel(target, options=list(CHANNEL.items()))
        self.authorize = api.method(self.channel, "AuthorizationService", "Authorize")
        self.report = api.method(self.channel, "RegistryService", "Report")
        self.incarnation = f"{random.getrandbits(64):x}"
        self.open = {}
        # Since when a socket has been acked.
        self.acked = {}
        self.events = []
        self.listed = asyncio.Event()
        self.streams = self.handshakes = 0
        self.failed = []

    async def take_handshakes(self):
        for number in itertools.count():
            await asyncio.sleep(HANDSHAKE_EVERY * random.uniform(0.5, 1.5))
            handshake = api.Handshake(headers={"cookie": self.cookie}, url="/chat", namespace="/chat")
            request = api.AuthorizeRequest(handshake=handshake, gateway_id=self.name)
            self.handshakes += 1
            try:
                answer = await self.authorize(request, timeout=5)
            except grpc.aio.AioRpcError as error:
                self.failed.append(f"{error.code().name}: {error.details()}")
                continue
            if not answer.accepted:
                self.failed.append(f"refused: {api.Reason.Name(answer.reason)}")
                continue
            socket = api.Socket(socket_id=f"{number}", namespace="/chat", session_id=answer.session_id, user=answer.user)
            self.open[socket.socket_id] = socket
            self.events.append(api.Event(opened=socket))
            if len(self.open) > SOCKETS:
                oldest = next(iter(self.open))
                del self.open[oldest]
                self.acked.pop(oldest, None)
                self.events.append(api.Event(closed=api.SocketClosed(socket_id=oldest)))

    async def run(self):
        while True:
            try:
                await self.stream()
            except grpc.aio.AioRpcError as error:
                print(f"{self.name}: {error.code().name}: {error.details()}", file=sys.stderr)
            await asyncio.sleep(random.uniform(0.05, 0.2))

    async def stream(self):
        call = self.report()
        hello = api.Hello(gateway_id=self.name, incarnation=self.incarnation)
        await call.write(api.ReportRequest(hello=hello))
        welcome = await call.read()
        if welcome is grpc.aio.EOF:
            return
        self.streams += 1
        lease = welcome.welcome.lease.ToTimedelta().total_seconds()
        self.events = [api.Event(opened=socket) for socket in self.open.values()]
        named = {}
        tell = asyncio.create_task(self.tell(call, lease, named))
        try:
            while (answer := await call.read()) is not grpc.aio.EOF:
                for sequence in [sequence for sequence in named if sequence <= answer.ack.sequence]:
                    for socket_id in named.pop(sequence):
                        if socket_id in self.open:
                            self.acked.setdefault(socket_id, time.monotonic())
                    self.listed.set()
        finally:
            tell.cancel()

    async def tell(self, call, lease, named):
        sent = complete = False
        for sequence in itertools.count(1):
            while sent and not self.events and time.monotonic() - last < lease / 4:
                await asyncio.sleep(FLUSH_EVERY)
            events, self.events = self.events[:500], self.events[500:]
            is_last = not complete and not self.events
            complete |= is_last
            named[sequence] = [event.opened.socket_id for event in events if event.HasField("opened")]
            batch = api.Batch(sequence=sequence, events=events, complete=is_last)
            await call.write(api.ReportRequest(batch=batch))
            sent, last = True, time.monotonic()
            await asyncio.sleep(FLUSH_EVERY)


class Looker:
    """Asks whatever replica is next for all sockets, and watches them."""

    def __init__(self, target, gateways):
        self.gateways = {gateway.name: gateway for gateway in gateways}
        self.channel = grpc.aio.insecure_channel(target, options=list(CHANNEL.items()))
        self.filter_sockets = api.method(self.channel, "RegistryService", "FilterSockets")
        self.watch_sockets = api.method(self.channel, "RegistryService", "WatchSockets")
        self.answers = self.broken = self.changes = self.watches = 0
        self.lost = []

    async def look(self):
        while True:
            await asyncio.sleep(LOOK_EVERY)
            settled = time.monotonic() - SETTLED_AFTER
            due = {
                (gateway.name, socket_id)
                for gateway in self.gateways.values()
                for socket_id, since in gateway.acked.items()
                if since < settled
            }
            try:
                answers = self.filter_sockets(api.FilterSocketsRequest(filter="true"), timeout=10)
                seen = {
                    (socket.gateway_id, socket.socket_id) async for answer in answers for socket in answer.sockets
                }
            except grpc.aio.AioRpcError:
                # A replica that stops says so, and is asked no more.
                self.broken += 1
                continue
            self.answers += 1
            for name, socket_id in due - seen:
                if socket_id in self.gateways[name].open:
                    self.lost.append(f"{name}/{socket_id} is not in an answer")

    async def watch(self):
        revision = ""
        while True:
            try:
                self.watches += 1
                request = api.WatchSocketsRequest(filter="true", from_revision=revision)
                async for change in self.watch_sockets(request):
                    revision = change.revision or revision
                    self.changes += 1
                    closed = change.closed.socket
                    gateway = self.gateways.get(closed.gateway_id)
                    if gateway and closed.socket_id in gateway.open:
                        self.lost.append(f"{closed.gateway_id}/{closed.socket_id} is closed to a watcher")
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    self.lost.append(f"the watch ended: {error.code().name}: {error.details()}")
                    return
                await asyncio.sleep(0.1)


def say(**line):
    print(json.dumps(line), flush=True)


async def main(target, cookie):
    gateways = [Gateway(f"chat-{number}", target, cookie) for number in range(GATEWAYS)]
    looker = Looker(target, gateways)
    handshakes = [asyncio.create_task(gateway.take_handshakes()) for gateway in gateways]
    streams = [asyncio.create_task(gateway.run()) for gateway in gateways]
    await asyncio.gather(*(gateway.listed.wait() for gateway in gateways))
    looks = [asyncio.create_task(looker.look()), asyncio.create_task(looker.watch())]
    say(event="listed")
    await asyncio.to_thread(sys.stdin.readline)
    for task in [*handshakes, *looks]:
        task.cancel()
    while any(len(gateway.acked) < len(gateway.open) or gateway.events for gateway in gateways):
        await asyncio.sleep(FLUSH_EVERY)
    say(
        event="end",
        open=sorted(f"{gateway.name}/{socket_id}" for gateway in gateways for socket_id in gateway.open),
        streams=sum(gateway.streams for gateway in gateways),
        handshakes=sum(gateway.handshakes for gateway in gateways),
        failed=[failure for gateway in gateways for failure in gateway.failed],
        answers=looker.answers,
        broken=looker.broken,
        changes=looker.changes,
        watches=looker.watches,
        lost=looker.lost,
    )
    # The gateways' streams stay until the test has looked.
    await asyncio.to_thread(sys.stdin.readline)
    for task in streams:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
