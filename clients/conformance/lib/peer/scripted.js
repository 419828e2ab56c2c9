// A socketpass that does what a case says, and else what the real one does: it welcomes, acks, and lets everybody in.
import grpc from '@grpc/grpc-js'
import { AuthorizationService, RegistryService, decision, duration, struct, value } from './proto.js'
import { Record } from './record.js'

const USUAL = {
  welcome: true,
  lease: 15, // Seconds, as `registry.lease` by default.
  ack: true,
  refuse: null, // The status that new streams end with, before their welcome.
  authorize: null, // The status of calls that no handshake of the case has an answer for.
  ends: true // After goodbye.
}
const USER = { id: 'u1', name: 'ana', logged_in: true }

export class ScriptedPeer {
  usual = { ...USUAL }
  #answers = new Map()
  #calls = new Map() // The open call of each stream.
  #commands = 0

  constructor (happenings) {
    this.happenings = happenings
    this.record = new Record(happenings)
  }

  async open ({ tls, host = '127.0.0.1', port = 0 } = {}) {
    this.server = new grpc.Server({ 'grpc.max_receive_message_length': 16 * 1_024 * 1_024 })
    this.server.addService(AuthorizationService.service, { Authorize: (call, done) => this.#authorize(call, done) })
    this.server.addService(RegistryService.service, { Report: call => this.#report(call) })
    const credentials = tls
      ? grpc.ServerCredentials.createSsl(tls.ca, [{ cert_chain: tls.cert, private_key: tls.key }], tls.mutual)
      : grpc.ServerCredentials.createInsecure()
    this.port = await new Promise((resolve, reject) => {
      this.server.bindAsync(`${host}:${port}`, credentials, (error, port) => error ? reject(error) : resolve(port))
    })
    this.address = `${host}:${this.port}`
    return this
  }

  async close () {
    this.server.forceShutdown()
  }

  // What the handshake that carries `key` gets, one answer after the other; the last one stays.
  answer (key, answers) {
    this.#answers.set(key, answers)
  }

  set (settings) {
    const held = this.usual.ack
    Object.assign(this.usual, settings)
    if (!held && this.usual.ack) for (const stream of this.#calls.keys()) this.#ack(stream)
  }

  // Each case begins with the usual peer.
  reset () {
    this.set(USUAL)
    this.#answers.clear()
    this.record.forget()
  }

  end (status, details = 'the case says so') {
    for (const stream of this.#calls.keys()) this.#end(stream, grpc.status[status], details)
  }

  send (response) {
    this.#send(this.record.current, response)
  }

  // The answer to a command, as the gateway gives it.
  async command ({ send, user_changed: changed, ...rest }, within) {
    const id = `command-${++this.#commands}`
    if (send) rest.send = { ...send, args: send.args.map(value) }
    if (changed) rest.user_changed = { ...changed, user: struct(changed.user) }
    const stream = this.record.current
    this.#send(stream, { command: { command_id: id, ...rest } })
    let result
    await this.happenings.until(() => {
      result = stream.said.find(({ command_result: result }) => result?.command_id === id)?.command_result
      return result ? undefined : 'the command is not answered'
    }, within)
    return result.done
  }

  // The sockets that are listed now.
  async listed () {
    return [...this.record.current.sockets.values()]
  }

  #authorize (call, done) {
    const one = this.record.authorize(call)
    const answers = this.#answers.get(one.handshake.headers['x-handshake'])
    const answer = (answers?.length > 1 ? answers.shift() : answers?.[0]) ??
      (this.usual.authorize ? { status: this.usual.authorize } : { accepted: true, user: USER })
    const { status, details = 'the case says so', after = 0, never, ...decided } = answer
    if (never) return
    setTimeout(() => {
      const error = status && { code: grpc.status[status], details }
      const answer = error ? null : decision(decided)
      this.record.answered(one, error, answer)
      done(error, answer)
    }, after)
  }

  #report (call) {
    const stream = this.record.stream(call)
    this.#calls.set(stream, call)
    const over = status => {
      this.#calls.delete(stream)
      stream.end(status)
    }
    call.on('cancelled', () => over(grpc.status.CANCELLED))
    call.on('error', () => over(grpc.status.UNKNOWN))
    call.on('end', () => this.#end(stream, grpc.status.OK))
    call.on('data', message => {
      stream.take(message)
      if (message.hello) this.#hello(stream)
      if (message.batch && this.usual.ack) this.#ack(stream)
      if (message.goodbye && this.usual.ends) this.#end(stream, grpc.status.OK)
    })
  }

  #hello (stream) {
    if (this.usual.refuse) return this.#end(stream, grpc.status[this.usual.refuse], 'the case says so')
    if (this.usual.welcome) this.#send(stream, { welcome: { lease: duration(this.usual.lease) } })
  }

  #ack (stream) {
    if (stream.underWay > 0) this.#send(stream, { ack: { sequence: stream.acked + stream.underWay } })
  }

  #send (stream, response) {
    const call = this.#calls.get(stream)
    if (!call) return
    stream.give(response)
    call.write(response)
  }

  #end (stream, code, details) {
    const call = this.#calls.get(stream)
    if (!call) return
    this.#calls.delete(stream)
    if (code === grpc.status.OK) call.end()
    else call.emit('error', { code, details })
    stream.end(code)
  }
}
