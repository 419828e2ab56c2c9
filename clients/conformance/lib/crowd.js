// Very many browsers, in a process of their own. Says how many were let in, and whenever one is closed.
import { browsers } from './browsers/index.js'
import { Happenings } from './until.js'

const { protocol, port, cookie, sockets, underWay } = JSON.parse(process.argv[2])
const Browser = browsers[protocol]
const all = []
let closed = 0
const begun = performance.now()

async function some () {
  while (all.length < sockets) {
    const happenings = new Happenings()
    const browser = new Browser(happenings, port, { headers: [['cookie', cookie]] })
    all.push(browser)
    await new Promise(resolve => {
      happenings.on('happened', () => {
        if (browser.accepted || browser.rejected) resolve()
        if (browser.closed && !browser.counted) {
          browser.counted = true
          say({ closed: ++closed })
        }
      })
    })
  }
}

function say (told) {
  process.stdout.write(JSON.stringify(told) + '\n')
}

await Promise.all(Array.from({ length: underWay }, some))
const rejected = all.map(({ rejected }) => rejected).filter(Boolean)
say({ accepted: sockets - rejected.length, rejected: rejected.slice(0, 5), ms: performance.now() - begun })
