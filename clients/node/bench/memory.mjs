// The heap that the client adds to a Socket.IO server's socket. SOCKETPASS_BIN names a release build.
import { io } from 'socket.io-client'
import { peers, serverOf } from './support.mjs'
import { stopAll } from '../test/support/processes.mjs'

const SOCKETS = Number(process.env.SOCKETS ?? 10_000)
const AT_ONCE = 16

const there = await peers()
const ways = ['nobody asked', 'socketpass', 'passport.socketio']
const each = {}
for (const way of ways) {
  const server = await serverOf(way, there, ['--expose-gc'])
  const sockets = []
  const open = async () => {
    const options = { transports: ['websocket'], forceNew: true, reconnection: false, extraHeaders: { cookie: there.cookie } }
    const socket = io(server.url, options)
    await new Promise((resolve, reject) => {
      socket.on('connect', resolve)
      socket.on('connect_error', reject)
    })
    return socket
  }
  // A few that come and go first, so that what is made once is there.
  for (let i = 0; i < 100; i++) (await open()).disconnect()
  const before = await settled(server, 0)
  let left = SOCKETS
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) sockets.push(await open())
  }))
  const after = await settled(server, SOCKETS)
  each[way] = { heap: (after.heap - before.heap) / SOCKETS, external: (after.external - before.external) / SOCKETS }
  console.log(`${way.padEnd(18)} ${each[way].heap.toFixed(0).padStart(6)} bytes of heap a socket, ${each[way].external.toFixed(0)} outside it`)
  for (const socket of sockets) socket.disconnect()
  server.stop()
}
const added = each.socketpass.heap - each['nobody asked'].heap
console.log(`socketpass adds ${added.toFixed(0)} bytes of heap a socket`)
await stopAll()

// When all is told that there is to tell.
async function settled (server, sockets) {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, 1_000))
    const answer = await server.ask('heap')
    if (answer.sockets === sockets) return answer
  }
}
