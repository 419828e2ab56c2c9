import { Decisions, noAnswer } from './decision'
import type { Handshake } from './generated/socketpass/v1/authorization_service'
import { type Verdict, judge } from './hooks'
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
    const answer = this.#closed === undefined ? await this.#decisions.decide(handshake) : noAnswer(true)
    return await judge(request, answer, this.settings, this.log)
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
      this.log.trouble('userChanged', why, `a listener of userChanged failed: ${why}`)
    }
  }

  close (): Promise<void> {
    return this.#closed ??= this.reporter.close().finally(() => this.service.close())
  }
}
