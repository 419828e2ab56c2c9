// A socketpass that says what a test tells it to, and remembers what it hears.
import { EventEmitter, once } from 'node:events'
import grpc from '@grpc/grpc-js'
import { AuthorizationServiceService, Reason, RegistryServiceService } from 'socketpass/stubs'

/** Longer than anything takes on a busy machine. */
export const PATIENCE = 30_000

export const ANA = { id: 4711, name: 'Ana', logged_in: true }

/** The answers to most tests. */
export const ACCEPTED = {
  accepted: true, reason: Reason.REASON_AUTHORIZED, message: '', error: false, user: ANA, sessionId: 'session-1', close: undefined
}

export function rejected (reason, message, close, error = false) {
  return {
    accepted: false, reason: Reason[`REASON_${reason}`], message, error, user: { logged_in: false }, sessionId: '', close
  }
}

export const NOT_LOGGED_IN = rejected('NOT_LOGGED_IN', 'Nobody here', { code: 4501, reason: 'not_logged_in' })
export const STORE_UNAVAILABLE = rejected(
  'STORE_UNAVAILABLE', 'Error in session store:\nit is away', { code: 4000, reason: 'store_unavailable' }, true
)

export const view = { age: { seconds: 0, nanos: 5_000_000 }, incompleteGateways: ['late'], warmingUp: false }

/** One Report stream, from the service's side. Each message is emitted by its name, and `ended` at its end. */
class Reported extends EventEmitter {
  hello
  batches = []
  results = []
  goodbye = false
  /** The sockets that are open, by id, as far as they were told. */
  listed = new Map()
  #call
  #script

  constructor (call, script) {
    super()
    this.#call = call
    this.#script = script
    call.on('data', ({ message }) => this.#heard(message))
    call.on('error', () => {})
    call.on('end', () => {
      call.end()
      this.emit('ended')
    })
    call.on('cancelled', () => this.emit('ended'))
  }

  #heard ({ $case, value }) {
    if ($case === 'hello') {
      this.hello = value
      if (this.#script.welcome) this.write('welcome', { lease: this.#script.lease })
    } else if ($case === 'batch') {
      this.batches.push(value)
      for (const { event } of value.events) {
        if (event.$case === 'opened') this.listed.set(event.value.socketId, event.value)
        else this.listed.delete(event.value.socketId)
      }
      if (this.#script.ack) this.write('ack', { sequence: value.sequence, rejected: this.#script.rejected })
    } else if ($case === 'commandResult') this.results.push(value)
    else if ($case === 'goodbye') this.goodbye = true
    this.emit($case, value)
    this.emit('message')
  }

  write ($case, value) {
    this.#call.write({ message: { $case, value } })
  }

  end (code, details = 'the script says so') {
    this.#call.emit('error', { code, details })
  }

  /** When what it has heard is so. */
  async until (holds) {
    const signal = AbortSignal.timeout(PATIENCE)
    while (!holds(this)) await once(this, 'message', { signal })
    return this
  }

  get complete () {
    return this.batches.some(({ complete }) => complete)
  }

  async command (name, value) {
    const commandId = `command-${this.results.length + 1}`
    this.write('command', { commandId, command: name && { $case: name, value } })
    await this.until(({ results }) => results.some(result => result.commandId === commandId))
    return this.results.find(result => result.commandId === commandId).done
  }
}

export class Scripted extends EventEmitter {
  /** What Authorize answers: an answer, an error `{code, details}`, or a function that gives one of them. */
  answer = ACCEPTED
  welcome = true
  lease = { seconds: 15, nanos: 0 }
  ack = true
  rejected = []
  /** What was asked: `{ request, metadata, deadline }`. */
  calls = []
  streams = []
  /** What the registry answers, by method. */
  registry = {}
  #server

  static async start (options = {}) {
    const scripted = new Scripted()
    const { credentials = grpc.ServerCredentials.createInsecure(), port = 0, ...script } = options
    Object.assign(scripted, script)
    await scripted.#listen(credentials, port)
    return scripted
  }

  async #listen (credentials, port) {
    this.#server = new grpc.Server()
    this.#server.addService(AuthorizationServiceService, {
      authorize: async (call, reply) => {
        this.calls.push({ request: call.request, metadata: call.metadata, deadline: call.getDeadline() })
        this.emit('call')
        const answer = typeof this.answer === 'function' ? await this.answer(call.request) : this.answer
        if (answer === undefined) return // Never.
        if ('code' in answer) reply(answer)
        else reply(null, answer)
      }
    })
    const ask = method => (call, reply) => {
      this.calls.push({ method, request: call.request, metadata: call.metadata })
      return this.registry[method](call, reply)
    }
    this.#server.addService(RegistryServiceService, {
      report: call => {
        const stream = new Reported(call, this)
        stream.metadata = call.metadata
        this.streams.push(stream)
        stream.once('hello', () => this.emit('stream', stream))
      },
      filterSockets: ask('filterSockets'),
      countSockets: ask('countSockets'),
      sendToSockets: ask('sendToSockets'),
      disconnectSockets: ask('disconnectSockets')
    })
    this.port = await new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, port) => error ? reject(error) : resolve(port))
    })
    this.address = `127.0.0.1:${this.port}`
  }

  /** The latest stream, once it has come. */
  async stream (number = 1) {
    while (this.streams.filter(({ hello }) => hello).length < number) {
      await once(this, 'stream', { signal: AbortSignal.timeout(PATIENCE) })
    }
    return this.streams.filter(({ hello }) => hello)[number - 1]
  }

  /** Gone at once, with all connections. */
  stop () {
    this.#server.forceShutdown()
  }
}
