import { randomUUID } from 'node:crypto'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Close, Decision } from './decision'
import type { Gate } from './gate'
import { ofUpgrade, pathOf } from './handshake'
import type { Admission, Verdict } from './hooks'
import { OpenSocket } from './open-sockets'
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
          return webSocket.close(verdict.close.code, verdict.close.reason)
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

function refuse (socket: Duplex, { close, decision, error }: Verdict & { accepted: false }): void {
  const status = decision.accepted ? 403 : statusOf(decision)
  const body = JSON.stringify({ code: close.code, reason: close.reason, message: error.message })
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

  close ({ code, reason }: Close): void {
    this.socket.close(code, reason)
  }

  send (event: string, args: unknown[]): boolean {
    if (this.socket.readyState !== OPEN) return false
    this.socket.send(this.#serialize(event, args))
    return true
  }

  userChanged (user: User): void {
    this.#gate.userChanged(this.socket, this.#request.deref(), user)
  }
}
