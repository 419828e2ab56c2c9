// Handshakes of a Socket.IO server with passport.socketio and connect-redis in its process, and with this client.
//
// The server has a processor of its own, as in a pod of its own, and all else shares the others: what is measured is what the
// server can do, and not who takes whose time. PIN=no leaves the places to the system.
//
// Runs alternate, since the machine has other things to do: the ratio of neighbours is what counts, the median of all is
// printed. SOCKETPASS_BIN names a release build. RUNS, HANDSHAKES (of one run) and AT_ONCE (how many, with commas) may be set.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { WebSocket } from 'ws'
import { peers, serverOf } from './support.mjs'
import { stopAll } from '../test/support/processes.mjs'

const RUNS = Number(process.env.RUNS ?? 20)
const HANDSHAKES = Number(process.env.HANDSHAKES ?? 1_000)
const AT_ONCE = (process.env.AT_ONCE ?? '16,64').split(',').map(Number)

// What socket.io-client does, in a fraction of its time: the server is what shall have no time left.
async function handshake (url, cookie) {
  const socket = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie }, perMessageDeflate: false })
  const closed = once(socket, 'close')
  await expect(socket, '0{') // Engine.IO is open,
  socket.send('40') // Socket.IO asks for the main namespace,
  await expect(socket, '40{') // and is in it.
  socket.terminate()
  await closed
}

async function expect (socket, start) {
  const [message] = await once(socket, 'message')
  if (!String(message).startsWith(start)) throw new Error(`${start} was to come, not ${message}`)
}

async function run ({ url, ask }, cookie, atOnce) {
  await ask('start')
  let left = HANDSHAKES
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) await handshake(url, cookie)
  }))
  const { cpu, wall } = await ask('stop')
  return { rate: HANDSHAKES / wall * 1_000, cpu: cpu / HANDSHAKES }
}

function median (values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

function pin (processors, pid) {
  execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', processors, String(pid)])
}

const pinned = process.env.PIN !== 'no' && availableParallelism() > 1
// What is started from here on inherits it: Redis, the service.
if (pinned) pin(`1-${availableParallelism() - 1}`, process.pid)
const there = await peers()
const ways = ['passport.socketio', 'socketpass', 'nobody asked']
const servers = []
for (const way of ways) {
  const server = await serverOf(way, there)
  if (pinned) pin('0', server.pid)
  servers.push(server)
}
console.log(pinned ? 'the server has a processor of its own' : 'all share the processors')
for (const atOnce of AT_ONCE) {
  const results = ways.map(() => [])
  for (const server of servers) await run(server, there.cookie, atOnce) // Until the code is compiled.
  for (let i = 0; i < RUNS; i++) {
    for (const [index, server] of servers.entries()) results[index].push(await run(server, there.cookie, atOnce))
  }
  console.log(`${atOnce} at once`)
  for (const [index, way] of ways.entries()) {
    const rate = median(results[index].map(({ rate }) => rate))
    const cpu = median(results[index].map(({ cpu }) => cpu))
    console.log(`  ${way.padEnd(18)} ${rate.toFixed(0).padStart(6)} handshakes/s ${cpu.toFixed(0).padStart(6)} us CPU each`)
  }
  const [original, client] = results
  const rates = median(client.map(({ rate }, i) => rate / original[i].rate))
  const cpus = median(client.map(({ cpu }, i) => original[i].cpu / cpu))
  console.log(`  socketpass / passport.socketio: ${rates.toFixed(2)} of its handshakes a second, ${cpus.toFixed(2)} by CPU time`)
}
for (const server of servers) server.stop()
await stopAll()
