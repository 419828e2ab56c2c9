import { EventEmitter } from 'node:events'
import type { Socket } from 'socket.io'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Close } from './decision'
import { Fleet, type Outcome, type Params, type RemoteSocket, type View } from './fleet'
import { Gate } from './gate'
import { closeOnSigterm, forget } from './goodbye'
import { type Settings, type User, resolve } from './settings'
import { type Middleware, middleware } from './socketio'
import { packChecked } from './struct'
import { type UpgradeListener, type UpgradeOptions, upgradeListener } from './websocket'

/** A socket that is open in this process. */
export interface LocalSocket {
  /** The library's own: a Socket of Socket.IO, a WebSocket of ws. */
  readonly socket: any
  readonly socketId: string
  readonly namespace: string
  readonly user: User
}

type AnySocket = Socket<any, any, any, any> | WebSocket

// The gateways that have seen a handshake of the Socket.IO server, and the one that was made last: it is asked about the
// fleet as long as nobody has come.
const seen = new WeakMap<object, Set<SocketPass>>()
let latest: SocketPass | undefined

/** The gateways behind a Socket.IO server. */
export function gatewaysOf (server: object): SocketPass[] {
  const passes = seen.get(server) ?? (latest ? [latest] : [])
  return [...passes]
}

/**
 * One gateway: asks socketpass who may come in, reports what is open, and carries out what the fleet commands.
 *
 * It emits `userChanged`, with the socket and its user from now on.
 */
export class SocketPass extends EventEmitter<{ userChanged: [socket: any, user: User] }> {
  readonly #gate: Gate
  readonly #fleet: Fleet
  readonly #middleware: Middleware

  /** Throws a TypeError that names the setting when one is not known or cannot be. */
  constructor (settings: Settings = {}) {
    super()
    const resolved = resolve(settings, false)
    this.#gate = new Gate(resolved, (socket, user) => this.emit('userChanged', socket, user))
    this.#fleet = new Fleet(this.#gate.service, this.#gate.log)
    this.#middleware = middleware(this.#gate, server => {
      const passes = seen.get(server)
      if (passes === undefined) seen.set(server, new Set([this]))
      else passes.add(this)
    })
    latest = this
    if (resolved.goodbyeOnSigterm) closeOnSigterm(this)
  }

  /** A middleware for a Socket.IO server, or for each namespace: `io.of('/chat').use(pass.authorize())`. */
  authorize (): Middleware {
    return this.#middleware
  }

  /** A listener for a ws server with `noServer`: `server.on('upgrade', pass.upgrade(webSocketServer))`. */
  upgrade (server: WebSocketServer, options: UpgradeOptions = {}): UpgradeListener {
    return upgradeListener(this.#gate, server, options)
  }

  /** What is known of a socket that is open here; nothing of one that was not let in by this gateway, or is closed. */
  get (socket: AnySocket): LocalSocket | undefined {
    return this.#gate.get(socket)
  }

  /** All sockets that are open here. */
  get sockets (): LocalSocket[] {
    return this.#gate.reporter.sockets.all()
  }

  /** Gives the registry something of the application's to know of a socket, `socket.data` in filters. */
  data (socket: AnySocket, data: Record<string, unknown>): void {
    const packed = packChecked('data', data)
    const open = this.#gate.get(socket)
    if (open === undefined) throw new TypeError('socketpass: data: the socket is not open here')
    open.data = packed
    this.#gate.reporter.changed(open)
  }

  /** The fleet's sockets that match a CEL filter. */
  filterSockets (filter: string, params?: Params): Promise<{ sockets: RemoteSocket[], view: View }> {
    return this.#fleet.filter(filter, params)
  }

  /** How many sockets of the fleet match, in groups if wanted: `user.team`. */
  countSockets (filter: string, params?: Params, groupBy?: string): Promise<{
    total: number, groups: Array<{ key: unknown, count: number }>, view: View
  }> {
    return this.#fleet.count(filter, params, groupBy)
  }

  /** Emits an event to all sockets of the fleet that match, each once or never. */
  sendToSockets (filter: string, params: Params, event: string, args: unknown[] = []): Promise<Outcome> {
    return this.#fleet.send(filter, params, event, args)
  }

  /** Disconnects all sockets of the fleet that match. Needs the role `admin`. */
  disconnectSockets (filter: string, params: Params = {}, close?: Close): Promise<Outcome> {
    return this.#fleet.disconnect(filter, params, close)
  }

  /**
   * Closes every socket with `gateway_draining` and takes the gateway off the list. Nobody is let in any more. Resolves when
   * the service has been told, after five seconds at the latest.
   */
  close (): Promise<void> {
    forget(this)
    if (latest === this) latest = undefined
    return this.#gate.close()
  }
}
