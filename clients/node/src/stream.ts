import { type ClientDuplexStream, type StatusObject, status } from '@grpc/grpc-js'
import type { Ack, Command, Hello, ReportResponse, Welcome } from './generated/socketpass/v1/registry_service'
import type { Log } from './log'
import { batch, closed, opened, request } from './messages'
import type { OpenSocket, OpenSockets } from './open-sockets'

// A hello may wait for half a lease until the gateway's former life is over.
const WELCOME_WITHIN = 20_000
// What happens meanwhile goes out in one batch.
const BATCH_EVERY = 20
const EVENTS_A_BATCH = 500
// The service takes 4 MiB; an event can be 130 KiB.
const BYTES_A_BATCH = 1024 * 1024
const BATCHES_UNDER_WAY = 16

/** How a stream ended. */
export interface End {
  welcomed: boolean
  /** Whether the listing was taken. */
  listed: boolean
  code: status
  details: string
}

/** What a stream needs to know and whom it tells. */
export interface Surroundings {
  hello: Hello
  /** Names the stream in this process; counts from 1. */
  number: number
  sockets: OpenSockets
  /** Carries a command out; the sockets for which it is so now. */
  obey: (command: Command) => string[]
  welcomed: () => void
  log: Log
}

/** One Report stream, from hello to its end. */
export class Stream {
  /** Always resolves. */
  readonly ended: Promise<End>

  readonly #call: ClientDuplexStream<Buffer, ReportResponse>
  readonly #around: Surroundings
  // The sockets of which something is still to be told. None before the welcome: everything is told then. None after the
  // goodbye: nothing is told any more.
  #waiting: Set<string> | undefined
  #welcomed = false
  #lease = 0
  #sequence = 0
  #acked = 0
  // The sequence of the batch that completes the listing.
  #listing = Infinity
  #lastBatch = -Infinity
  #gaveUp: string | undefined
  #scheduled = Infinity
  #batchTimer: NodeJS.Timeout | undefined
  #ackTimer: NodeJS.Timeout | undefined

  constructor (call: ClientDuplexStream<Buffer, ReportResponse>, around: Surroundings) {
    this.#call = call
    this.#around = around
    const welcomeTimer = setTimeout(() => this.#giveUp('no welcome came'), WELCOME_WITHIN)
    call.on('data', ({ message }: ReportResponse) => {
      if (message?.$case === 'welcome') {
        clearTimeout(welcomeTimer)
        this.#welcome(message.value)
        return
      }
      if (this.#waiting === undefined) return
      if (message?.$case === 'ack') this.#ack(message.value)
      else if (message?.$case === 'command') this.#command(message.value)
    })
    call.on('error', () => {}) // The status says it.
    this.ended = new Promise(resolve => {
      call.on('status', ({ code, details }: StatusObject) => {
        clearTimeout(welcomeTimer)
        this.#silence()
        const welcomed = this.#welcomed
        const listed = this.#acked >= this.#listing
        if (this.#gaveUp === undefined) resolve({ welcomed, listed, code, details })
        else resolve({ welcomed, listed, code: status.DEADLINE_EXCEEDED, details: this.#gaveUp })
      })
    })
    call.write(request({ $case: 'hello', value: around.hello }))
  }

  /** The socket has opened, or something else is to be told of it. */
  changed ({ socketId }: Pick<OpenSocket, 'socketId'>): void {
    if (this.#waiting === undefined) return
    this.#waiting.add(socketId)
    this.#schedule()
  }

  closed ({ socketId, toldOn }: OpenSocket): void {
    if (this.#waiting === undefined) return
    // One that opens and closes in between is not told at all.
    if (toldOn === this.#around.number) this.changed({ socketId })
    else this.#waiting.delete(socketId)
  }

  /** Takes the gateway off the list, and ends the stream. */
  goodbye (): void {
    // Without a welcome there is nothing to take off.
    if (!this.#welcomed) return this.#call.cancel()
    this.#silence()
    this.#call.write(request({ $case: 'goodbye', value: {} }))
    this.#call.end()
  }

  cancel (): void {
    this.#call.cancel()
  }

  get #completed (): boolean {
    return this.#listing < Infinity
  }

  // Nothing is told after this.
  #silence (): void {
    this.#waiting = undefined
    clearTimeout(this.#batchTimer)
    clearTimeout(this.#ackTimer)
  }

  #giveUp (why: string): void {
    this.#gaveUp = why
    this.#call.cancel()
  }

  #welcome ({ lease }: Welcome): void {
    this.#welcomed = true
    this.#lease = (lease?.seconds ?? 0) * 1_000 + (lease?.nanos ?? 0) / 1e6
    this.#waiting = new Set(this.#around.sockets.keys())
    this.#around.welcomed()
    this.#schedule()
  }

  #ack ({ sequence, rejected }: Ack): void {
    this.#acked = sequence
    clearTimeout(this.#ackTimer)
    this.#ackTimer = undefined
    if (this.#sequence > this.#acked) this.#expectAck()
    for (const { socketId, field, message } of rejected) this.#listedWithout(socketId, field, message)
    this.#schedule()
  }

  #listedWithout (socketId: string, field: string, why: string): void {
    this.#around.log.say(`rejected ${field}`, why, `socket ${socketId} is listed without ${field}: ${why}`)
  }

  // Each is answered, also one that fails here: its caller waits.
  #command (command: Command): void {
    const done = this.#around.obey(command)
    this.#call.write(request({ $case: 'commandResult', value: { commandId: command.commandId, done } }))
  }

  // The next batch: soon when there is something to tell, else as a sign of life.
  get #due (): number {
    const soon = this.#waiting!.size > 0 || !this.#completed
    return this.#lastBatch + (soon ? BATCH_EVERY : this.#lease / 4)
  }

  #schedule (): void {
    if (this.#waiting === undefined || this.#scheduled <= this.#due) return
    clearTimeout(this.#batchTimer)
    this.#scheduled = this.#due
    this.#batchTimer = setTimeout(() => this.#batch(), this.#scheduled - performance.now())
  }

  #batch (): void {
    this.#scheduled = Infinity
    // The ack makes room.
    if (this.#waiting === undefined || this.#sequence - this.#acked >= BATCHES_UNDER_WAY) return
    // What was to be told has gone again. Timers may be a millisecond early.
    if (performance.now() < this.#due - 1) return this.#schedule()
    const events: Uint8Array[] = []
    let bytes = 0
    for (const socketId of this.#waiting) {
      const socket = this.#around.sockets.get(socketId)
      const event = socket === undefined
        ? closed(socketId)
        : opened(socket, field => this.#listedWithout(socketId, field, 'it is too large'))
      bytes += event.length
      if (events.length === EVENTS_A_BATCH || (events.length > 0 && bytes > BYTES_A_BATCH)) break
      events.push(event)
      this.#waiting.delete(socketId)
      if (socket !== undefined) socket.toldOn = this.#around.number
    }
    const complete = !this.#completed && this.#waiting.size === 0
    this.#sequence++
    if (complete) this.#listing = this.#sequence
    this.#lastBatch = performance.now()
    this.#call.write(batch(this.#sequence, events, complete))
    if (this.#ackTimer === undefined) this.#expectAck()
    this.#schedule()
  }

  // A replica that hangs holds its connections open: only the missing ack tells.
  #expectAck (): void {
    const acked = this.#acked
    this.#ackTimer = setTimeout(() => {
      // After this process itself has been stuck the ack may lie in its socket, unread.
      setImmediate(() => {
        if (this.#acked === acked) this.#giveUp('no ack came for half a lease')
      })
    }, this.#lease / 2)
  }
}
