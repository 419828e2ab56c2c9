// Who is connected, as passport.socketio answers it: filterSocketsByUser over the sockets of one process.
// The benchmark of the registry measures socketpass against this.
//
// Each line on standard input is JSON: a socket to hold, or a question, {"ask": …}. Each question gets a line on standard
// output. Time is taken here, so that the pipe does not count.
import { createInterface } from 'node:readline'
import passportSocketIo from 'passport.socketio'

// Socket.IO 2 keeps its sockets in an object by id, and passport.socketio looks for users at `conn.request.user`. Nothing
// else is in these sockets but what the registry keeps as well; real ones are several times as large.
const connected = {}
const io = { sockets: { connected } }

function open({ socket_id, namespace, session_id, remote_address, origin, user, connected_at }) {
  connected[socket_id] = {
    id: socket_id,
    nsp: namespace,
    handshake: { address: remote_address, headers: { origin }, time: connected_at },
    conn: { request: { user, sessionID: session_id } }
  }
}

const count = (filter) => passportSocketIo.filterSocketsByUser(io, filter).length

const questions = {
  // It knows no limit and no cursor: a page is cut from everything.
  page: ({ team, limit }) =>
    passportSocketIo.filterSocketsByUser(io, (user) => user.team === team).slice(0, limit).length,
  count: ({ team }) => count((user) => user.team === team),
  contains: ({ part }) => count((user) => user.name.includes(part)),
  memory: () => {
    gc()
    return process.memoryUsage.rss()
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  if (!message.ask) {
    open(message)
    continue
  }
  const started = process.hrtime.bigint()
  const answer = questions[message.ask](message)
  const nanoseconds = Number(process.hrtime.bigint() - started)
  console.log(JSON.stringify({ answer, nanoseconds }))
}
