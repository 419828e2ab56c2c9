// The real service behind a proxy that records what passes, so that one script holds for it and for the scripted peer.
import grpc from '@grpc/grpc-js'
import { AuthorizationService, RegistryService } from './proto.js'
import { Record } from './record.js'

export class RecordedPeer {
  #calls = new Map()

  // `service` is a running socketpass, `registry` asks it.
  constructor (happenings, service, registry) {
    Object.assign(this, { happenings, service, registry })
    this.record = new Record(happenings)
  }

  async open () {
    const plaintext = grpc.credentials.createInsecure()
    this.upstream = {
      authorization: new AuthorizationService(this.service.address, plaintext),
      registry: new RegistryService(this.service.address, plaintext)
    }
    const { authorization, registry } = this.upstream
    this.server = new grpc.Server()
    this.server.addService(AuthorizationService.service, {
      Authorize: (call, done) => {
        const one = this.record.authorize(call)
        authorization.Authorize(call.request, call.metadata, { deadline: call.getDeadline() }, (error, answer) => {
          this.record.answered(one, error, answer)
          done(error, answer)
        })
      }
    })
    const asked = method => call => {
      const from = registry[method](call.request, call.metadata)
      from.on('data', message => call.write(message))
      from.on('end', () => call.end())
      from.on('error', error => call.emit('error', error))
    }
    this.server.addService(RegistryService.service, {
      Report: call => this.#report(call),
      FilterSockets: asked('FilterSockets'),
      SendToSockets: asked('SendToSockets'),
      DisconnectSockets: asked('DisconnectSockets'),
      CountSockets: (call, done) => registry.CountSockets(call.request, call.metadata, done)
    })
    const port = await new Promise((resolve, reject) => {
      const bound = (error, port) => error ? reject(error) : resolve(port)
      this.server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), bound)
    })
    this.address = `127.0.0.1:${port}`
    return this
  }

  async close () {
    this.server.forceShutdown()
    for (const client of Object.values(this.upstream)) client.close()
  }

  reset () {
    this.record.forget()
  }

  // As a replica that stops does: the gateway hears the status, the service hears nothing more.
  end (status) {
    for (const [stream, { call, upstream }] of this.#calls) {
      this.#calls.delete(stream)
      upstream.cancel()
      call.emit('error', { code: grpc.status[status], details: 'the case says so' })
      stream.end(grpc.status[status])
    }
  }

  // Brought about by the call that makes the service send it; those that the gateway has done.
  async command ({ disconnect, send }) {
    const stream = this.record.current
    const before = stream.said.length
    const ids = (disconnect ?? send).socket_ids
    const filter = 'gateway.gateway_id == params.gateway && socket.socket_id in params.ids'
    const params = { gateway: this.gatewayId, ids }
    if (disconnect) await this.registry.disconnect(filter, params, disconnect.close)
    else await this.registry.send(filter, params, send.event, send.args)
    const results = stream.said.slice(before).map(({ command_result: result }) => result?.done ?? [])
    return results.flat()
  }

  // As the service answers; a session id it never answers.
  async listed () {
    const sockets = await this.registry.sockets(this.gatewayId)
    const reported = this.record.current.sockets
    return sockets.map(socket => ({ ...socket, session_id: reported.get(socket.socket_id)?.session_id }))
  }

  get gatewayId () {
    return this.record.current?.said[0]?.hello.gateway_id
  }

  #report (call) {
    const stream = this.record.stream(call)
    const upstream = this.upstream.registry.Report(call.metadata)
    this.#calls.set(stream, { call, upstream })
    call.on('data', message => {
      stream.take(message)
      upstream.write(message)
    })
    call.on('end', () => upstream.end())
    call.on('cancelled', () => upstream.cancel())
    call.on('error', () => upstream.cancel())
    upstream.on('data', message => {
      stream.give(message)
      call.write(message)
    })
    upstream.on('error', () => {}) // The status says it.
    upstream.on('status', ({ code, details, metadata }) => {
      stream.end(code)
      if (!this.#calls.delete(stream)) return
      if (code === grpc.status.OK) call.end()
      else call.emit('error', { code, details, metadata })
    })
  }
}
