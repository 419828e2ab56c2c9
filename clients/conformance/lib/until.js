// Waiting for what is expected: asked again whenever something has happened, and given up after a while.
import { EventEmitter } from 'node:events'

export const PATIENCE = 8_000

// What is not as the case says.
export class Deviation extends Error {}

// Where everybody says that something has happened: the peer, the subject, the browsers of one stage.
export class Happenings extends EventEmitter {
  constructor () {
    super()
    this.setMaxListeners(0)
  }

  happened () {
    this.emit('happened')
  }

  // `missing` says what is still missing, or nothing when all is as expected; it may ask elsewhere and take its time.
  // Asked every 50 ms too, since another process does not tell when it changes.
  async until (missing, within = PATIENCE) {
    const end = performance.now() + within
    for (;;) {
      const next = this.#next() // Before asking: what happens meanwhile counts.
      const text = await missing()
      if (text === undefined) return
      if (performance.now() > end) throw new Deviation(`${text}\n  (after ${(within / 1_000).toFixed(1)} s)`)
      await next
    }
  }

  #next () {
    return new Promise(resolve => {
      const timer = setTimeout(go, 50)
      this.once('happened', go)
      const happenings = this
      function go () {
        clearTimeout(timer)
        happenings.off('happened', go)
        resolve()
      }
    })
  }
}
