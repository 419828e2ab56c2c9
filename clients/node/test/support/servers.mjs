// Socket servers as applications have them, and their clients. All of it ends with the test.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { SocketPass } from 'socketpass'
import { WebSocket, WebSocketServer } from 'ws'
import { PATIENCE, Scripted } from './scripted.mjs'

/** A scripted socketpass and a gateway of it. */
export async function gateway (t, settings = {}, script = {}) {
  const service = await Scripted.start(script)
  const pass = new SocketPass({ address: service.address, gatewayId: 'gateway-1', ...settings })
  t.after(async () => {
    service.stop()
    await pass.close()
  })
  return { service, pass }
}

/** A Socket.IO server with that middleware; `use` may set up more. */
export async function socketIo (t, middleware, use = () => {}, options = {}) {
  const server = createServer()
  const io = new Server(server, options)
  io.use(middleware)
  use(io)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => io.close())
  return { io, url: `http://127.0.0.1:${server.address().port}` }
}

/** A client, before it is known whether it may come in. */
export function browser (t, url, options = {}) {
  const { headers, ...rest } = options
  const socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false, extraHeaders: headers, ...rest })
  t.after(() => socket.disconnect())
  return socket
}

/** A client that has come in. */
export async function connected (t, url, options) {
  const socket = browser(t, url, options)
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  return socket
}

/** Why it may not come in. */
export async function refused (t, url, options) {
  const socket = browser(t, url, options)
  return await new Promise((resolve, reject) => {
    socket.once('connect_error', resolve)
    socket.once('connect', () => reject(new Error('it came in')))
  })
}

export async function heard (emitter, event) {
  return await once(emitter, event, { signal: AbortSignal.timeout(PATIENCE) })
}

/** What a socket.io-client says next: its events are no EventEmitter's. */
export function told (socket, event) {
  return new Promise(resolve => socket.once(event, (...args) => resolve(args)))
}

/** A ws server that the gateway guards. */
export async function webSockets (t, pass, options, connection = () => {}) {
  const server = createServer()
  const webSocketServer = new WebSocketServer({ noServer: true })
  webSocketServer.on('connection', connection)
  server.on('upgrade', pass.upgrade(webSocketServer, options))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const client of webSocketServer.clients) client.terminate()
  })
  return { server, webSocketServer, url: `ws://127.0.0.1:${server.address().port}` }
}

export function webSocket (t, url, options) {
  const socket = new WebSocket(url, options)
  socket.on('error', () => {}) // One that is not let in is terminated before it is open.
  t.after(() => socket.terminate())
  return socket
}

/** What the client logs of troubles during the test. */
export function logged (t) {
  const lines = []
  t.mock.method(console, 'error', line => {
    if (!line.startsWith('socketpass: the stream to the registry is open')) lines.push(line)
  })
  return lines
}
