import { type ServiceError, status } from '@grpc/grpc-js'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { obey } from './commands'
import { type Close, DRAINING, UNAVAILABLE } from './decision'
import type { Hello } from './generated/socketpass/v1/registry_service'
import type { Log } from './log'
import { OpenSocket, OpenSockets } from './open-sockets'
import type { Service } from './service'
import type { Resolved } from './settings'
import { type End, Stream } from './stream'

const FIRST_PAUSE = 200
const LONGEST_PAUSE = 5_000
// Not all gateways of a replica that stops come to the next at the same moment.
const JITTER = 100
const GOODBYE_WITHIN = 5_000

/** Tells the service what is open here, over one stream that is opened again whenever it ends. */
export class Reporter {
  readonly sockets = new OpenSockets()

  readonly #service: Service
  readonly #hello: Hello
  readonly #closeAfterLoss: number | undefined
  readonly #log: Log
  readonly #closing = new AbortController()
  #stream: Stream | undefined
  #streams = 0
  // Since when there has been no stream; nothing while there is one.
  #lostAt: number | undefined = Date.now()
  #lossTimer: NodeJS.Timeout | undefined

  constructor (service: Service, { gatewayId, labels, closeAfterLoss }: Resolved, log: Log) {
    this.#service = service
    this.#hello = { gatewayId, incarnation: randomUUID(), labels }
    this.#closeAfterLoss = closeAfterLoss
    this.#log = log
    void this.#run()
    this.#lost()
  }

  opened (socket: OpenSocket): void {
    // It was let in before.
    if (this.#closing.signal.aborted) return socket.close(DRAINING)
    this.sockets.add(socket)
    this.#stream?.changed(socket)
  }

  changed (socket: OpenSocket): void {
    if (this.sockets.has(socket)) this.#stream?.changed(socket)
  }

  /** Closes it. It is off the list at once, however long its client takes. */
  disconnect (socket: OpenSocket, close: Close): void {
    this.closed(socket)
    socket.close(close)
  }

  closed (socket: OpenSocket): void {
    if (this.sockets.delete(socket)) this.#stream?.closed(socket)
  }

  /** Closes every socket and says goodbye. They are off the list when it resolves, if the service could be told. */
  async close (): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#lossTimer)
    for (const socket of this.sockets.all()) this.disconnect(socket, DRAINING)
    const stream = this.#stream
    if (stream === undefined) return
    stream.goodbye()
    const timer = setTimeout(() => stream.cancel(), GOODBYE_WITHIN)
    await stream.ended
    clearTimeout(timer)
  }

  async #run (): Promise<void> {
    let pause = FIRST_PAUSE
    const { signal } = this.#closing
    while (!signal.aborted) {
      const { welcomed, listed, code, details } = await this.#report()
      if (signal.aborted) return
      const hint = this.#service.hint(code, welcomed ? undefined : '`address` and `tls`')
      this.#log.say(
        'report', `${code} ${hint}`, `the stream has ended: ${status[code]}: ${details}${hint ? `; ${hint}` : ''}`
      )
      if (listed) pause = FIRST_PAUSE
      // A replica that could not even welcome is not asked again without a pause.
      const atOnce = welcomed && code === status.UNAVAILABLE
      const wait = atOnce ? Math.random() * JITTER : pause * (0.5 + Math.random() / 2)
      if (!atOnce) pause = Math.min(LONGEST_PAUSE, pause * 2)
      await sleep(wait, undefined, { signal }).catch(() => {})
    }
  }

  async #report (): Promise<End> {
    try {
      const call = await this.#service.report()
      this.#stream = new Stream(call, {
        hello: this.#hello,
        number: ++this.#streams,
        sockets: this.sockets,
        obey: command => obey(command, this, this.#log),
        welcomed: () => {
          const { gatewayId } = this.#hello
          this.#log.say('report', 'open', `the stream to the registry is open, for the gateway ${gatewayId}`)
          this.#lostAt = undefined
          clearTimeout(this.#lossTimer)
        },
        log: this.#log
      })
      // Told to close while there was no stream yet.
      if (this.#closing.signal.aborted) this.#stream.goodbye()
      return await this.#stream.ended
    } catch (error) {
      const { code, details } = error as ServiceError
      return { welcomed: false, listed: false, code, details }
    } finally {
      this.#stream = undefined
      if (this.#lostAt === undefined) {
        this.#lostAt = Date.now()
        this.#lost()
      }
    }
  }

  // Closes what has been open for too long without a stream, and comes again when the next one is due.
  #lost (): void {
    if (this.#closeAfterLoss === undefined || this.#closing.signal.aborted) return
    const now = Date.now()
    let next = now + this.#closeAfterLoss
    for (const socket of this.sockets.all()) {
      const due = Math.max(this.#lostAt!, socket.connectedAt) + this.#closeAfterLoss
      if (due <= now) this.disconnect(socket, UNAVAILABLE)
      else next = Math.min(next, due)
    }
    this.#lossTimer = setTimeout(() => this.#lost(), next - now)
  }
}
