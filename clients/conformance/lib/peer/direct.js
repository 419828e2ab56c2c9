// The real service with nothing between, for what a proxy cannot pass on: TLS.
import { Record } from './record.js'

export class DirectPeer {
  unseen = true // What passes is not recorded.

  constructor (happenings, service, registry, gatewayId) {
    Object.assign(this, { happenings, service, registry, gatewayId })
    this.record = new Record(happenings)
    this.address = service.address
  }

  async open () {
    return this
  }

  async close () {}

  reset () {}

  listed () {
    return this.registry.sockets(this.gatewayId)
  }
}
