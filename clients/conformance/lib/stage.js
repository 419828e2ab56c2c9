// Where cases are played: one subject, its socketpass, and its browsers.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { DirectPeer } from './peer/direct.js'
import { RecordedPeer } from './peer/recorded.js'
import { ScriptedPeer } from './peer/scripted.js'
import { Subject } from './subject.js'
import { filled } from './match.js'
import { browsers } from './browsers/index.js'
import { Deviation, Happenings } from './until.js'

export class Stage {
  happenings = new Happenings()
  browsers = new Map() // By the names that the case gives them.
  names = {
    hostname: hostname(),
    unique: randomUUID(),
    long: 'x'.repeat(257),
    deep: nested(60),
    large: { list: Array(200_000).fill(0) }
  }

  #handshakes = 0

  // `set`: what the cases that are played here have in common (cases.js).
  constructor (services, client, kind, set) {
    Object.assign(this, { services, client, kind, set })
    this.protocol = client.kinds[kind]
  }

  async open () {
    const { peer, tls, service = {}, subject = {} } = this.set
    const { files, server, ca } = tls || JSON.stringify(subject).includes('<ca') ? await this.services.certificates() : {}
    if (files) Object.assign(this.names, names(files))
    if (JSON.stringify([service, subject]).includes('<token')) {
      const { gateway, file } = await this.services.tokens()
      Object.assign(this.names, { token: gateway, 'tokens.file': file })
    }
    const settings = this.fill(subject)
    this.peer = peer === 'scripted'
      ? await new ScriptedPeer(this.happenings).open({ tls: tls && { ...server, ca, mutual: tls === 'mutual' } })
      : await this.#real(await this.services.service(this.fill(service), tls), tls, settings)
    this.subject = new Subject(this.happenings, this.client, { kind: this.kind, address: this.peer.address, ...settings })
    return this
  }

  // Everything that is started is stopped.
  async close () {
    for (const browser of this.browsers.values()) browser.close()
    await this.subject?.stop()
    await this.peer?.close()
  }

  get record () {
    return this.peer.record
  }

  // The subject can be used, and its stream has been welcomed, if it is one that is.
  async ready () {
    await this.subject.ready()
    await this.#reported()
  }

  // Before a case: what the last one has left counts for nothing. What the subject logged as it started is the first one's.
  begin () {
    this.peer.reset()
    this.begun = { said: this.subject.said.length, log: this.begun ? this.subject.log.length : 0 }
    this.heardUpTo = this.begun.said // What the application was told, up to where the case has looked.
    this.logUpTo = this.begun.log
    this.hooks = [] // What the case expects of them.
    this.streams = this.record.streams.length
    this.messages = this.record.current?.said.length ?? 0
  }

  // After a case: nobody is left, and the client is back to where it was when the case began.
  async settle () {
    for (const browser of this.browsers.values()) browser.close()
    this.browsers.clear()
    this.peer.reset()
    await this.#reported(true)
  }

  // What was wrong beside what the case looked at.
  violations () {
    const violations = [...this.record.violations]
    for (const { line } of this.subject.since(this.begun.said, 'not JSON')) {
      violations.push(`standard output has a line that is not JSON: ${line}`)
    }
    return violations
  }

  // Whether this kind of server cannot keep a promise, as its subject.json says.
  lacks (promise) {
    return Object.hasOwn(this.client.without?.[this.kind] ?? {}, promise)
  }

  fill (value) {
    return filled(value, this.names)
  }

  // A browser comes. The header that it carries says to the peer which answers it gets.
  browse ({ beside, lines, ...handshake }, answers) {
    const other = beside && this.browser(beside)
    const key = other?.key ?? `h${++this.#handshakes}`
    this.peer.answer?.(key, [...answers])
    const Browser = browsers[this.protocol]
    const headers = [...lines, ['x-handshake', key]]
    const browser = new Browser(this.happenings, this.subject.port, { ...handshake, headers, beside: other })
    return Object.assign(browser, { key })
  }

  browser (name) {
    const browser = this.browsers.get(name)
    if (!browser) throw new Error(`the case has no browser ${name}`)
    return browser
  }

  until (missing, within) {
    return this.happenings.until(missing, within)
  }

  async #real (service, tls, { gatewayId }) {
    if (tls) return new DirectPeer(this.happenings, service, service.registry, gatewayId)
    return new RecordedPeer(this.happenings, service, service.registry).open()
  }

  async #reported (empty = false) {
    if (this.peer.unseen || this.set.unwelcome) return
    await this.until(() => {
      const { current } = this.record
      if (this.subject.ended) throw new Deviation('the subject has ended')
      if (!current?.welcomedAt || !current.completed || current.ended) return 'the client has no stream that is complete'
      return empty && current.sockets.size ? `${current.sockets.size} sockets stay listed that are closed` : undefined
    }, 15_000)
  }
}

function nested (levels) {
  return levels === 1 ? {} : { a: nested(levels - 1) }
}

function names (files) {
  return {
    ca: files.ca,
    'ca.stranger': files.stranger,
    'gateway.cert': files.gateway.cert,
    'gateway.key': files.gateway.key
  }
}
