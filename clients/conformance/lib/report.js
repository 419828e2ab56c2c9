// How results look: a line each, colour on a terminal, and what was wrong below.
const MOST_BYTES = 1_000 // That a client may add to a socket.
const colours = { green: 32, red: 31, yellow: 33, dim: 2 }

export class Report {
  results = []
  skipped = []
  lacked = []
  measures = []

  // `json`: nothing but one object at the end.
  constructor ({ json }, out = process.stdout) {
    this.json = json
    this.out = json ? process.stderr : out
    this.begun = performance.now()
  }

  skip (client) {
    this.skipped.push(client.language)
    this.#line(this.#paint('yellow', `skipped  ${client.language}: ${client.folder} has no subject`))
  }

  // A promise that a kind of server is not held to.
  lacks (lacked) {
    const { language, kind, promise, why } = lacked
    this.lacked.push(lacked)
    this.#line(this.#paint('yellow', `without  ${language} ${kind}: ${promise}: ${why}`))
  }

  say (text) {
    this.#line(this.#paint('dim', text))
  }

  result (result) {
    this.results.push(result)
    const { language, kind, name, peer, seconds, note, failed } = result
    const word = failed ? this.#paint('red', 'FAILED') : this.#paint('green', 'passed')
    const behind = [`${seconds.toFixed(2)} s`, note].filter(Boolean).join(', ')
    this.#line(`${word}  ${language} ${kind}  ${name} ${this.#paint('dim', `(${peer}) ${behind}`)}`)
    if (!failed) return
    if (failed.step) this.#block(`step ${failed.step.number}: ${JSON.stringify(failed.step.step)}`)
    this.#block(failed.text)
    for (const line of failed.log) this.#block(this.#paint('dim', `log: ${line}`))
  }

  measured ({ language, kind, authorize, memory }) {
    const figures = { language, kind }
    this.measures.push(figures)
    if (authorize) {
      const { calls, accepted, wall_ms: wall, cpu_ms: cpu } = authorize
      Object.assign(figures, { calls, accepted, cpuMsACall: cpu / calls, callsASecond: calls / wall * 1_000 })
      const [ms, rate] = [figures.cpuMsACall.toFixed(4), figures.callsASecond.toFixed(0)]
      this.#line(`${language} ${kind}: ${ms} ms CPU an Authorize, ${rate} a second, ${accepted} of ${calls} accepted`)
    }
    if (memory) {
      const { sockets, bare, withClient, added } = memory
      Object.assign(figures, { sockets, bytesASocket: { bare, withClient, added } })
      const [adds, of, to] = [added, bare, withClient].map(bytes => bytes.toFixed(0))
      const text = `the client adds ${adds} bytes a socket (${of} without it, ${to} with it, ${sockets} sockets)`
      this.#line(`${language} ${kind}: ${added < MOST_BYTES ? text : this.#paint('red', `${text}: ${MOST_BYTES} is too much`)}`)
    }
  }

  // The exit status.
  close () {
    if (this.measures.length) {
      this.#end({ measures: this.measures })
      const tooMuch = this.measures.some(({ bytesASocket }) => bytesASocket?.added >= MOST_BYTES)
      return tooMuch || this.results.length ? 1 : 0
    }
    const failed = this.results.filter(({ failed }) => failed).length
    const passed = this.results.length - failed
    const seconds = (performance.now() - this.begun) / 1_000
    for (const language of new Set(this.results.map(({ language }) => language))) {
      const own = this.results.filter(result => result.language === language)
      const wrong = [...new Set(own.filter(({ failed }) => failed).map(({ kind, name, peer }) => `${kind} ${name} (${peer})`))]
      if (wrong.length) this.#line(`\n${language} fails\n${wrong.map(name => `  ${name}`).join('\n')}`)
    }
    const colour = failed || !passed ? 'red' : 'green'
    const skipped = this.skipped.length ? `, ${this.skipped.length} clients skipped` : ''
    const lacked = this.lacked.length ? `, ${this.lacked.length} promises not held to` : ''
    this.#line(this.#paint(colour, `\n${passed} passed, ${failed} failed${skipped}${lacked}, in ${seconds.toFixed(0)} s`))
    this.#end({ results: this.results, skipped: this.skipped, lacked: this.lacked, seconds })
    return failed || !passed ? 1 : 0
  }

  #end (figures) {
    if (this.json) process.stdout.write(JSON.stringify(figures, null, 2) + '\n')
  }

  #block (text) {
    this.#line(text.replace(/^/gm, '        '))
  }

  #line (text) {
    this.out.write(`${text}\n`)
  }

  #paint (colour, text) {
    return this.out.isTTY ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text
  }
}
