import type { Namespace, Server, Socket } from 'socket.io'
import { type Close, UNAVAILABLE } from './decision'
import type { Gate } from './gate'
import { ofSocket } from './handshake'
import type { Admission } from './hooks'
import { ENDS_WITHIN, LARGEST_BACKLOG, OpenSocket } from './open-sockets'
import type { HandshakeRequest, User } from './settings'

/** What `io.use()` and `namespace.use()` take. */
export type Middleware = (socket: Socket<any, any, any, any>, next: (error?: Error & { data?: unknown }) => void) => void

/** Lets in whom the gate lets in, and has it know what is open. `serves` hears of each Socket.IO server, perhaps often. */
export function middleware (gate: Gate, serves: (server: Server) => void): Middleware {
  const watched = new WeakSet<Namespace>()
  const admitted = new WeakMap<Socket, Admission>()

  // Nobody has asked who is behind a socket that Socket.IO lets in past its middlewares.
  const unasked = (socket: Socket): void => {
    gate.log.say(
      'recovery', '', 'a recovered socket is closed: set connectionStateRecovery.skipMiddlewares of Socket.IO to false'
    )
    tell(socket, UNAVAILABLE)
    socket.disconnect()
  }
  // A socket counts from here on: another middleware may still refuse it before.
  const connected = (socket: Socket): void => {
    const admission = admitted.get(socket)
    if (admission === undefined) return unasked(socket)
    admitted.delete(socket)
    gate.opened(socket, new SocketIoSocket(socket, admission, gate))
    socket.on('disconnect', disconnected)
  }
  // One function for all of them: `this` is the socket.
  const disconnected = function (this: Socket): void {
    gate.closed(this)
  }

  return (socket, next) => {
    if (!watched.has(socket.nsp)) {
      watched.add(socket.nsp)
      serves(socket.nsp.server)
      // Before the application's own listeners: for them the socket is open.
      socket.nsp.prependListener('connection', connected)
      // With an adapter that processes share, some may have been recovered before anybody has come.
      for (const open of socket.nsp.sockets.values()) {
        if (open.recovered) unasked(open)
      }
    }
    ownRequest(socket)
    void gate.admit(ofSocket(socket), socket.request as HandshakeRequest).then(verdict => {
      if (verdict.accepted) {
        admitted.set(socket, verdict.admission)
        next()
      } else {
        const { error, close } = verdict
        next('data' in error ? error : Object.assign(error, { data: { ...close } }))
      }
    })
  }
}

// Whose request it is. Weakly: they go with their connections.
const owners = new WeakMap<object, Socket>()

// Socket.IO has one request for all sockets of a connection, but each of them has a user of its own. The first keeps what is
// there, so that most connections cost nothing more.
function ownRequest (socket: Socket): void {
  const owner = owners.get(socket.request)
  if (owner === socket) return
  if (owner !== undefined) {
    Object.defineProperty(socket, 'request', { value: Object.create(socket.request), configurable: true, writable: true })
  }
  owners.set(socket.request, socket)
}

// From this code on a client need not come back.
const FINAL = 4500

// Socket.IO cannot send a close code.
function tell (socket: Socket, { code, reason }: Close): void {
  socket.emit('socketpass:close', { code, reason })
}

// A client that does not read what it is sent does not read that either.
function end ({ conn }: Socket): void {
  const timer = setTimeout(() => conn.close(true), ENDS_WITHIN)
  conn.once('close', () => clearTimeout(timer))
  conn.close()
}

function isBehind ({ conn }: Socket): boolean {
  let waiting = 0
  for (const { data } of (conn as unknown as { writeBuffer: Array<{ data?: { length?: number } }> }).writeBuffer) {
    waiting += data?.length ?? 0
    if (waiting > LARGEST_BACKLOG) return true
  }
  return false
}

class SocketIoSocket extends OpenSocket {
  readonly socket: Socket
  readonly #gate: Gate

  constructor (socket: Socket, admission: Admission, gate: Gate) {
    super(admission)
    this.socket = socket
    this.#gate = gate
  }

  get socketId (): string {
    return this.socket.id
  }

  get namespace (): string {
    return this.socket.nsp.name
  }

  get remoteAddress (): string {
    return this.socket.handshake.address ?? ''
  }

  get origin (): string {
    return this.socket.handshake.headers.origin ?? ''
  }

  close (close: Close): void {
    this.socket.use(() => {}) // The application hears nothing from it any more.
    tell(this.socket, close)
    // Socket.IO's clients stay away from a namespace that has disconnected them, and come back by themselves when the
    // connection is lost.
    if (close.code >= FINAL) this.socket.disconnect()
    // Not at once: the connection's other sockets may have to be told, too.
    else setImmediate(() => end(this.socket))
  }

  send (event: string, args: unknown[]): boolean {
    if (!this.socket.connected || isBehind(this.socket)) return false
    this.socket.emit(event, ...args)
    return true
  }

  userChanged (user: User): void {
    this.#gate.userChanged(this.socket, this.socket.request as HandshakeRequest, user)
  }
}
