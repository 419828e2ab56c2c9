// What a client asked and reported, seen from the service's side, and the rules that hold on every stream in every case.
import { plainDecision, plainSocket, plainStruct, statusNames } from './proto.js'

const EVENTS_A_BATCH = 500
const BATCHES_UNDER_WAY = 16
const BATCHES_A_SECOND = 60 // One every 20 ms is 50; what a busy machine held up comes together.

export class Record {
  asked = [] // Authorize calls, in order.
  streams = []
  violations = []

  constructor (happenings) {
    this.happenings = happenings
  }

  authorize (call) {
    const { handshake, gateway_id: gatewayId } = call.request
    const headers = {}
    for (const [name, value] of Object.entries(handshake?.headers ?? {})) {
      if (Object.hasOwn(headers, name.toLowerCase())) this.violations.push(`header ${name} is there twice, in another case`)
      headers[name.toLowerCase()] = value
    }
    const deadline = call.getDeadline()
    const one = {
      handshake: { ...handshake, headers, auth: plainStruct(handshake?.auth) },
      gateway_id: gatewayId,
      metadata: call.metadata.getMap(),
      deadline_ms: Number.isFinite(Number(deadline)) ? Number(deadline) - Date.now() : null,
      at: performance.now()
    }
    this.asked.push(one)
    this.happenings.happened()
    return one
  }

  answered (one, error, answer) {
    one.answer = error ? { status: statusNames[error.code] } : plainDecision(answer)
    this.happenings.happened()
  }

  stream (call) {
    const stream = new StreamRecord(this, call)
    this.streams.push(stream)
    this.happenings.happened()
    return stream
  }

  get current () {
    return this.streams.at(-1)
  }

  // Nothing of it counts for the next case.
  forget () {
    this.asked = []
    this.violations = []
  }
}

export class StreamRecord {
  said = [] // By the gateway.
  heard = [] // By the gateway.
  sockets = new Map() // What is listed by this stream's word.
  openedAt = performance.now()
  completed = false
  acked = 0
  #record
  #sequence = 0
  #lately = [] // When batches of the last second came.
  #commands = new Set() // Those without their answer.
  #told = new Set() // Sockets that were told to be open, whatever became of them.
  #goodbye = false

  constructor (record, call) {
    this.#record = record
    this.metadata = call.metadata.getMap()
  }

  // A message of the gateway's.
  take (message) {
    const plain = this.#checked(message)
    this.said.push({ ...plain, at: performance.now() })
    this.#record.happenings.happened()
  }

  // A message of the service's.
  give ({ message, ...response }) {
    this.heard.push(response)
    if (response.welcome) this.welcomedAt = performance.now()
    if (response.ack) this.acked = response.ack.sequence
    if (response.command) this.#commands.add(response.command.command_id)
    this.#record.happenings.happened()
  }

  end (status) {
    if (this.ended) return
    this.ended = { status: statusNames[status], at: performance.now() }
    this.#record.happenings.happened()
  }

  // Batches without their ack.
  get underWay () {
    return this.#sequence - this.acked
  }

  #checked ({ message: kind, ...message }) {
    const first = this.said.length === 0
    const rules = [
      [kind, 'a message says nothing'],
      [first === (kind === 'hello'), 'hello comes first, and once'],
      [!this.#goodbye, 'nothing comes after goodbye'],
      [first || this.welcomedAt, 'nothing comes before the welcome']
    ]
    if (kind === 'batch') rules.push(...this.#batch(message.batch))
    if (kind === 'command_result') {
      rules.push([this.#commands.delete(message.command_result.command_id), 'a command is answered, once'])
      this.#disconnected(message.command_result)
    }
    if (kind === 'goodbye') {
      this.#goodbye = true
      this.sockets.clear()
    }
    for (const [holds, rule] of rules) if (!holds) this.#record.violations.push(`the stream: ${rule}`)
    if (kind !== 'batch') return message
    const events = message.batch.events.map(({ opened, closed }) => opened ? { opened: plainSocket(opened) } : { closed })
    return { batch: { ...message.batch, events } }
  }

  #batch ({ sequence, events, complete }) {
    const now = performance.now()
    this.#lately = [...this.#lately.filter(at => now - at < 1_000), now]
    const rules = [
      [sequence === this.#sequence + 1, `batch ${sequence} follows on ${this.#sequence}`],
      [events.length <= EVENTS_A_BATCH, `a batch has at most ${EVENTS_A_BATCH} events: ${events.length}`],
      [!(complete && this.completed), 'complete is said once'],
      [this.underWay < BATCHES_UNDER_WAY, `at most ${BATCHES_UNDER_WAY} batches are under way`],
      [this.#lately.length <= BATCHES_A_SECOND, `${this.#lately.length} batches within a second`],
      ...events.map(event => [this.#event(event), 'a socket is told to be closed that was not told to be open'])
    ]
    this.#sequence = sequence
    this.completed ||= complete
    return rules
  }

  // Whether it can be said after what was said before.
  #event ({ opened, closed }) {
    const { socket_id: id } = opened ?? closed ?? {}
    if (opened) {
      this.#told.add(id)
      this.sockets.set(id, plainSocket(opened))
    } else {
      this.sockets.delete(id)
    }
    return this.#told.has(id)
  }

  // A socket that is done for a disconnect is listed no more.
  #disconnected ({ command_id: id, done }) {
    const command = this.heard.find(({ command }) => command?.command_id === id)?.command
    if (command?.disconnect) for (const socketId of done) this.sockets.delete(socketId)
  }
}
