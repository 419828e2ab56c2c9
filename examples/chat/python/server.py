"""The Python room: python-socketio in uvicorn."""

import os
import signal

import socketio
import uvicorn
from socketpass import ServiceError, SocketPass
from socketpass.socketio import protect

ROOM = "python"

passport = SocketPass(
    os.environ.get("SOCKETPASS_ADDR", "127.0.0.1:50051"),
    token=os.environ["SOCKETPASS_TOKEN"],
    gateway_id=ROOM,
)
# The page comes from another port. Which origins may come in is for socketpass to say, for all servers at once.
sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
protect(sio, passport)


@sio.event
async def say(sid, text):
    message = {"room": ROOM, "from": passport.sockets[sid].user["name"], "text": str(text)}
    try:
        await passport.send_to_sockets(
            "gateway.gateway_id == params.room", {"room": ROOM}, event="said", args=[message]
        )
    except ServiceError as error:
        await sio.emit("problem", ("say", error.details), to=sid)


@sio.event
async def who(sid, filter):
    try:
        found = await passport.filter_sockets(str(filter))
    except ServiceError as error:
        await sio.emit("problem", ("who", error.details), to=sid)
        return
    online = [
        {"room": socket.gateway_id, **{field: socket.user.get(field) for field in ("id", "name", "role")}}
        for socket in found.sockets
    ]
    await sio.emit("online", online, to=sid)


async def start():
    await passport.start()
    passport.close_on(signal.SIGTERM, signal.SIGINT)


app = socketio.ASGIApp(sio, on_startup=start, on_shutdown=passport.close)

if __name__ == "__main__":
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "3002"))
    print(f"listening on http://{host}:{port}", flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")
