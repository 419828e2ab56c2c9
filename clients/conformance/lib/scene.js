// What a fault has to hand: subjects, browsers and services, all of which are stopped at its end.
import { browsers } from './browsers/index.js'
import { text } from './match.js'
import { ScriptedPeer } from './peer/scripted.js'
import { Subject } from './subject.js'
import { Deviation, Happenings } from './until.js'

export class Scene {
  happenings = new Happenings()
  subjects = []
  #atEnd = []

  constructor (services, client, kind) {
    Object.assign(this, { services, client, kind, protocol: client.kinds[kind] })
  }

  // `stop` is called when the fault is over, the latest first.
  atEnd (stop) {
    this.#atEnd.unshift(stop)
  }

  async close () {
    for (const stop of this.#atEnd) await stop()
  }

  // A socketpass of the fault's own.
  async socketpass (settings, how) {
    const service = await this.services.socketpass(settings, how)
    this.atEnd(() => service.stop())
    return service
  }

  async scriptedPeer (how) {
    const peer = await new ScriptedPeer(this.happenings).open(how)
    this.atEnd(() => peer.close())
    return peer
  }

  async subject (settings, how) {
    const subject = new Subject(this.happenings, this.client, { kind: this.kind, ...settings }, how)
    this.subjects.push(subject)
    this.atEnd(() => subject.stop())
    await subject.ready()
    return subject
  }

  // Somebody comes with this cookie; they are there when they have been let in or turned away.
  async browser (subject, cookie, within) {
    const Browser = browsers[this.protocol]
    const browser = new Browser(this.happenings, subject.port, { headers: cookie ? [['cookie', cookie]] : [] })
    this.atEnd(() => browser.close())
    await this.until(() => browser.accepted || browser.rejected ? undefined : 'a browser hears nothing', within)
    return browser
  }

  async letIn (subject, cookie, within) {
    const browser = await this.browser(subject, cookie, within)
    if (browser.rejected) throw new Deviation(`expected to be let in, was turned away with ${text(browser.rejected)}`)
    return browser
  }

  // Somebody comes again and again, until they are let in.
  async letInAtLast (subject, cookie, within) {
    const end = performance.now() + within
    for (;;) {
      const browser = await this.browser(subject, cookie)
      if (browser.accepted) return browser
      if (performance.now() > end) throw new Deviation(`nobody is let in after ${within} ms: ${text(browser.rejected)}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  stayOpen (browsers) {
    for (const { closed } of browsers) if (closed) throw new Deviation(`a socket was closed: ${text(closed)}`)
  }

  // A service lists so many sockets of a gateway, and vouches for it.
  async listed ({ registry }, gatewayId, sockets, within) {
    const begun = performance.now()
    await this.until(async () => {
      const { total, view } = await registry.count(gatewayId).catch(error => ({ total: error.message, view: {} }))
      if (total !== sockets) return `${total} sockets of ${gatewayId} are listed instead of ${sockets}`
      return view.incomplete_gateways?.includes(gatewayId) ? `${gatewayId} is late` : undefined
    }, within)
    return performance.now() - begun
  }

  until (missing, within) {
    return this.happenings.until(missing, within)
  }
}
