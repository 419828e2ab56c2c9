// Asking the real service what it knows, as an operator would.
import grpc from '@grpc/grpc-js'
import { RegistryService, plainSocket, struct, value } from './peer/proto.js'

export class Registry {
  // `tls` and `token` as clients have them.
  constructor (address, { tls, token } = {}) {
    const credentials = tls
      ? grpc.credentials.createSsl(tls.ca, tls.key, tls.cert)
      : grpc.credentials.createInsecure()
    this.client = new RegistryService(address, credentials, {
      // Services are killed: the next question must not wait until a long pause is over.
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.ssl_target_name_override': 'localhost'
    })
    this.metadata = new grpc.Metadata()
    if (token) this.metadata.set('authorization', `Bearer ${token}`)
  }

  close () {
    this.client.close()
  }

  // The sockets of a gateway.
  async sockets (gatewayId) {
    const answers = await this.#all(this.client.FilterSockets(of(gatewayId), ...this.#how()))
    return answers.flatMap(({ sockets }) => sockets.map(plainSocket))
  }

  count (gatewayId) {
    return new Promise((resolve, reject) => {
      const done = (error, answer) => error ? reject(error) : resolve(answer)
      this.client.CountSockets(of(gatewayId), ...this.#how(), done)
    })
  }

  async disconnect (filter, params, close) {
    const request = { filter, params: struct(params), close }
    return (await this.#all(this.client.DisconnectSockets(request, ...this.#how()))).at(-1)
  }

  async send (filter, params, event, args) {
    const request = { filter, params: struct(params), event, args: args.map(value) }
    return (await this.#all(this.client.SendToSockets(request, ...this.#how()))).at(-1)
  }

  #how () {
    return [this.metadata, { deadline: Date.now() + 60_000 }]
  }

  async #all (stream) {
    const answers = []
    for await (const answer of stream) answers.push(answer)
    return answers
  }
}

function of (gatewayId) {
  return { filter: 'gateway.gateway_id == params.gateway', params: struct({ gateway: gatewayId }) }
}
