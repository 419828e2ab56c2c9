import { DRAINING, Decisions, rejection } from './decision'
import type { Handshake } from './generated/socketpass/v1/authorization_service'
import { type Refusal, type Verdict, judge, refusal } from './hooks'
import { Log } from './log'
import type { OpenSocket } from './open-sockets'
import { Reporter } from './reporter'
import { Service } from './service'
import type { HandshakeRequest, Resolved, User } from './settings'

/** What the parts for Socket.IO and for ws share: who may come in, and what is open. */
export class Gate {
  readonly service: Service
  readonly reporter: Reporter
  readonly log = new Log()
  readonly settings: Resolved
  readonly #decisions: Decisions
  readonly #told: (socket: object, user: User) => void
  // By the library's own sockets.
  readonly #open = new WeakMap<object, OpenSocket>()
  #closed: Promise<void> | undefined

  /** `told` is called with a library's socket and its new user. */
  constructor (settings: Resolved, told: (socket: object, user: User) => void) {
    this.settings = settings
    this.service = new Service(settings)
    this.#decisions = new Decisions(this.service, settings, this.log)
    this.reporter = new Reporter(this.service, settings, this.log)
    this.#told = told
  }

  /** Whether the handshake may go on. The user is on the request then. */
  async admit (handshake: Handshake, request: HandshakeRequest): Promise<Verdict> {
    if (this.#closed !== undefined) return draining()
    const answer = await this.#decisions.decide(handshake)
    if (this.#closed !== undefined) return draining()
    const verdict = await judge(request, answer, this.settings, this.log)
    return this.#closed === undefined ? verdict : draining()
  }

  opened (socket: object, open: OpenSocket): void {
    this.#open.set(socket, open)
    this.reporter.opened(open)
  }

  closed (socket: object): void {
    const open = this.#open.get(socket)
    if (open !== undefined) this.reporter.closed(open)
  }

  get (socket: object): OpenSocket | undefined {
    return this.#open.get(socket)
  }

  /** Puts a new user on the request, where somebody still has it, and tells the application. */
  userChanged (socket: object, request: HandshakeRequest | undefined, user: User): void {
    if (request !== undefined) request[this.settings.userProperty] = user
    try {
      this.#told(socket, user)
    } catch (error) {
      const why = error instanceof Error ? error.stack ?? error.message : String(error)
      this.log.say('userChanged', why, `a listener of userChanged failed: ${why}`)
    }
  }

  close (): Promise<void> {
    return this.#closed ??= this.reporter.close().finally(() => this.service.close())
  }
}

// For who comes while the gateway closes. The application is not asked.
function draining (): Refusal {
  return refusal(rejection('GATEWAY_DRAINING', 'Gateway is shutting down', DRAINING))
}
