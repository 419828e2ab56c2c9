// What a client costs: CPU time of its process an Authorize, and memory a socket.
import { setTimeout as sleep } from 'node:timers/promises'
import { leanBrowser } from './lean-browser.js'
import { inScene, told } from './run.js'
import { Scene } from './scene.js'

const WARM_UP = { calls: 5_000, concurrency: 16 }
const MEASURED = { calls: 20_000, concurrency: 16 }
const WITHIN = 120_000

const SOCKETS = Number(process.env.SOCKETS ?? 5_000)
// These open first and stay, so that what is made once is there, and what is used for a moment has been used.
const FIRST = Math.ceil(SOCKETS / 5)
const AT_ONCE = 32
const READINGS = 3
const USER = { id: 4711, name: 'Ana', role: 'editor', team: 'payments' }

export async function measure (services, clients, kind, report) {
  for (const client of clients) {
    const kinds = Object.keys(client.kinds).filter(name => !kind || name === kind)
    for (const [index, kind] of kinds.entries()) {
      const within = play => inScene(new Scene(services, client, kind), play)
      const begun = performance.now()
      try {
        // The kinds of a client ask in the same way.
        const authorize = index === 0 ? await within(authorizeOf) : undefined
        const memory = SOCKETS > 0 ? await memoryOf(within) : undefined
        report.measured({ language: client.language, kind, authorize, memory })
      } catch (error) {
        const seconds = (performance.now() - begun) / 1_000
        report.result({ language: client.language, kind, name: 'measure', peer: 'real', seconds, failed: told(error) })
      }
    }
  }
}

async function authorizeOf (scene) {
  const service = await scene.services.service()
  const cookie = await scene.services.login()
  const subject = await scene.subject({ address: service.address })
  await subject.ask({ do: 'authorize', cookie, ...WARM_UP }, WITHIN)
  return await subject.ask({ do: 'authorize', cookie, ...MEASURED }, WITHIN)
}

// Bytes a socket, of the server without the client and with it.
async function memoryOf (within) {
  const bare = await within(scene => bytesASocket(scene, true))
  const withClient = await within(scene => bytesASocket(scene, false))
  return { sockets: SOCKETS, bare, withClient, added: withClient - bare }
}

async function bytesASocket (scene, bare) {
  // A machine that has other things to do is no fault of the store's.
  const service = bare ? undefined : await scene.socketpass({ 'session.store_timeout': '10s' })
  const { cookie } = await scene.services.session({ passport: { user: USER } }, true)
  const settings = bare ? { bare } : { bare, address: service.address, gatewayId: 'measured', timeoutMs: WITHIN }
  const subject = await scene.subject(settings, { manyFiles: true })
  let there = 0
  const open = async sockets => {
    let left = sockets
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) scene.atEnd(await leanBrowser(scene.protocol, subject.port, cookie))
    }))
    there += sockets
    if (service) await scene.listed(service, 'measured', there, WITHIN)
    return memory(subject)
  }
  const before = await open(FIRST)
  return (await open(SOCKETS) - before) / SOCKETS
}

// The least of some readings: what is under way goes by.
async function memory (subject) {
  const readings = []
  while (readings.length < READINGS) {
    await sleep(1_000)
    const { bytes } = await subject.ask({ do: 'memory' }, WITHIN)
    readings.push(bytes)
  }
  return Math.min(...readings)
}
