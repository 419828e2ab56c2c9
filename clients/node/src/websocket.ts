import { randomUUID } from 'node:crypto'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Close, Decision } from './decision'
import type { Gate } from './gate'
import { ofUpgrade, pathOf } from './handshake'
import type { Admission, Refusal } from './hooks'
import { ENDS_WITHIN, LARGEST_BACKLOG, OpenSocket } from './open-sockets'
import type { HandshakeRequest, User } from './settings'

/** How a WebSocket server is guarded. */
export interface UpgradeOptions {
  /**
   * Browsers cannot see the HTTP status of a rejection. With true the upgrade is done all the same and the WebSocket closed
   * right after it, with the code. Default: false.
   */
  rejectAfterUpgrade?: boolean
  /** Writes the message of an event that the fleet sends. Default: JSON, `{"event": …, "args": […]}`. */
  serialize?: (event: string, args: unknown[]) => string | Buffer
}

/** What `server.on('upgrade')` takes. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

const OPTIONS = ['rejectAfterUpgrade', 'serialize']
const OPEN = 1

// How long a client may take to read why it is not let in.
const READ_WITHIN = 5_000
// What it may send before it knows that it has been closed.
const UNDER_WAY = 64 * 1024
// What the application hears of what a client sends.
const SAYINGS = new Set<string | symbol>(['message', 'ping', 'pong'])

/** Upgrades whom the gate lets in, and has it know what is open. */
export function upgradeListener (gate: Gate, server: WebSocketServer, options: UpgradeOptions): UpgradeListener {
  const unknown = Object.keys(options).find(name => !OPTIONS.includes(name))
  if (unknown !== undefined) {
    throw new TypeError(`socketpass: upgrade: ${unknown}: no such option; there are ${OPTIONS.join(', ')}`)
  }
  const { rejectAfterUpgrade = false, serialize = (event, args) => JSON.stringify({ event, args }) } = options

  return (request, socket, head) => {
    // A client that goes away while it waits.
    const gone = (): void => void socket.destroy()
    socket.on('error', gone)
    void gate.admit(ofUpgrade(request), request as HandshakeRequest).then(verdict => {
      socket.off('error', gone)
      if (socket.destroyed) return
      if (!verdict.accepted && !rejectAfterUpgrade) return refuse(socket, verdict)
      server.handleUpgrade(request, socket, head, webSocket => {
        if (!verdict.accepted) {
          webSocket.on('error', () => {}) // Its close follows.
          return refuseOpen(webSocket, socket, verdict.close)
        }
        gate.opened(webSocket, new WsSocket(webSocket, request as HandshakeRequest, verdict.admission, gate, serialize))
        webSocket.on('close', closed)
        server.emit('connection', webSocket, request)
      })
    })
  }

  // One function for all of them: `this` is the socket.
  function closed (this: WebSocket): void {
    gate.closed(this)
  }
}

function refuse (socket: Duplex, { close, decision, error }: Refusal): void {
  const status = statusOf(decision)
  const body = JSON.stringify({ code: close.code, reason: close.reason, message: error.message })
  // The client need not close its side, nor read what it is told.
  const timer = setTimeout(() => socket.destroy(), READ_WITHIN)
  socket.once('close', () => clearTimeout(timer))
  socket.once('finish', () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.end([
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body
  ].join('\r\n'))
}

// Whoever it is may send what the server would read of a message, which is a lot. What was under way is little.
function refuseOpen (webSocket: WebSocket, socket: Duplex, close: Close): void {
  let left = UNDER_WAY
  socket.on('data', ({ length }: Buffer) => {
    left -= length
    if (left < 0) webSocket.terminate()
  })
  end(webSocket, close)
}

// Its client may be slow to answer, or not want to. The application hears nothing from it any more.
function end (webSocket: WebSocket, { code, reason }: Close): void {
  const { emit } = webSocket
  webSocket.emit = function (event: string | symbol, ...args: unknown[]) {
    return !SAYINGS.has(event) && emit.call(this, event, ...args)
  }
  const timer = setTimeout(() => webSocket.terminate(), ENDS_WITHIN)
  webSocket.once('close', () => clearTimeout(timer))
  webSocket.close(code, reason)
}

function statusOf ({ reason, user }: Decision): number {
  switch (reason) {
    case 'ORIGIN_NOT_ALLOWED':
    case 'DENIED_BY_POLICY':
      return 403
    case 'TOO_MANY_SOCKETS':
      return 429
    case 'SESSION_MALFORMED':
    case 'USER_SOURCE_FAILED':
    case 'STORE_UNAVAILABLE':
    case 'GATEWAY_DRAINING':
    case 'UNSPECIFIED':
      return 503
    default: // Also what is not known here.
      return user.logged_in ? 403 : 401
  }
}

class WsSocket extends OpenSocket {
  readonly socketId = randomUUID()
  readonly namespace: string
  readonly origin: string
  readonly remoteAddress: string // Kept: it is gone when the connection is.
  readonly socket: WebSocket
  // With all its headers it is larger than all else that is kept of a socket, and often nobody looks at it any more.
  readonly #request: WeakRef<HandshakeRequest>
  readonly #gate: Gate
  readonly #serialize: NonNullable<UpgradeOptions['serialize']>

  constructor (
    socket: WebSocket, request: HandshakeRequest, admission: Admission, gate: Gate,
    serialize: NonNullable<UpgradeOptions['serialize']>
  ) {
    super(admission)
    this.socket = socket
    this.#request = new WeakRef(request)
    this.#gate = gate
    this.#serialize = serialize
    this.namespace = pathOf(request)
    this.origin = request.headers.origin ?? ''
    this.remoteAddress = request.socket.remoteAddress ?? ''
  }

  close (close: Close): void {
    end(this.socket, close)
  }

  send (event: string, args: unknown[]): boolean {
    if (this.socket.readyState !== OPEN || this.socket.bufferedAmount > LARGEST_BACKLOG) return false
    this.socket.send(this.#serialize(event, args))
    return true
  }

  userChanged (user: User): void {
    this.#gate.userChanged(this.socket, this.#request.deref(), user)
  }
}
