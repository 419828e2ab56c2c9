import type { Close } from './decision'
import type { Admission } from './hooks'
import type { User } from './settings'
import type { Packed } from './struct'

/** How long a client may take to answer when it is closed. Then its connection is ended. */
export const ENDS_WITHIN = 3_000
/** How much may wait for a client that does not read what it is sent. */
export const LARGEST_BACKLOG = 1024 * 1024

/** A socket that is open here, whatever library it is of. */
export abstract class OpenSocket {
  readonly connectedAt = Date.now()
  readonly sessionId: string
  /** Who is behind it now. */
  user: User
  /** Who is behind it as the service knows it. */
  reported: Packed
  /** What the application gave the registry to know. */
  data: Packed | undefined = undefined
  /** The stream that has told of it; 0 when none has. */
  toldOn = 0

  /** The library's own. */
  abstract readonly socket: object
  abstract readonly socketId: string
  abstract readonly namespace: string
  abstract readonly remoteAddress: string
  abstract readonly origin: string

  constructor ({ user, reported, sessionId }: Admission) {
    this.user = user
    this.reported = reported
    this.sessionId = sessionId
  }

  /** Closes it, and tells its client why. That may take a while, but the application hears nothing from it any more. */
  abstract close (close: Close): void

  /** Whether the event could be handed to it. */
  abstract send (event: string, args: unknown[]): boolean

  /** Puts another user where the application looks for it, and tells the application. */
  abstract userChanged (user: User): void
}

/** All sockets that are open in this process. */
export class OpenSockets {
  readonly #sockets = new Map<string, OpenSocket>()

  add (socket: OpenSocket): void {
    this.#sockets.set(socket.socketId, socket)
  }

  /** Whether it was there. */
  delete (socket: OpenSocket): boolean {
    // A client that comes back to its old id may have taken the place already.
    return this.has(socket) && this.#sockets.delete(socket.socketId)
  }

  has (socket: OpenSocket): boolean {
    return this.#sockets.get(socket.socketId) === socket
  }

  get (socketId: string): OpenSocket | undefined {
    return this.#sockets.get(socketId)
  }

  keys (): Iterable<string> {
    return this.#sockets.keys()
  }

  /** A copy: disconnecting them takes them out. */
  all (): OpenSocket[] {
    return [...this.#sockets.values()]
  }
}
