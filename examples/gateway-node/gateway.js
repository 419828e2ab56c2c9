// A WebSocket server: socketpass says who may come in, and hears who is connected.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'
import { WebSocket, WebSocketServer } from 'ws'
import { Reporter } from './report.js'

const {
  HOST = '127.0.0.1',
  PORT = '3001',
  GATEWAY_ID = `${hostname()}-${process.pid}`,
  SOCKETPASS_ADDRS = '127.0.0.1:50051', // Replicas, with commas between.
  SOCKETPASS_TOKEN // What `socketpass token` made, if the service wants one.
} = process.env

const proto = fileURLToPath(new URL('../../proto', import.meta.url))
const files = ['authorization_service.proto', 'registry_service.proto'].map(file => `socketpass/v1/${file}`)
const { socketpass } = grpc.loadPackageDefinition(
  protoLoader.loadSync(files, { includeDirs: [proto], longs: Number, enums: String })
)
const options = {
  // A connection that is dead is noticed within fifteen seconds.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  // Where a name has several addresses, the next stream goes to another of them.
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })
}
const plaintext = grpc.credentials.createInsecure() // createSsl(ca) where the service speaks TLS.
const addrs = SOCKETPASS_ADDRS.split(',')
const authorizations = addrs.map(addr => new socketpass.v1.AuthorizationService(addr, plaintext, options))
const registries = addrs.map(addr => new socketpass.v1.RegistryService(addr, plaintext, options))
const metadata = new grpc.Metadata()
if (SOCKETPASS_TOKEN) metadata.set('authorization', `Bearer ${SOCKETPASS_TOKEN}`)

const sockets = new Map()
const reporter = new Reporter({
  replicas: registries.map(registry => () => registry.Report(metadata)),
  gatewayId: GATEWAY_ID,
  disconnect: (id, { code, reason }) => sockets.get(id)?.close(code, reason),
  send: (id, event, args) => {
    const socket = sockets.get(id)
    if (socket?.readyState !== WebSocket.OPEN) return false
    socket.send(JSON.stringify({ event, args }))
    return true
  },
  userChanged: (id, user) => sockets.get(id)?.send(JSON.stringify({ event: 'user', args: [user] })),
  log: line => console.log(line)
})

// Asks one replica after the other: a question changes nothing and may be repeated.
async function authorize ({ headers, url, socket }) {
  const text = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')])
  const handshake = { headers: Object.fromEntries(text), url, remoteAddress: socket.remoteAddress }
  const request = { handshake, gatewayId: GATEWAY_ID }
  let problem
  for (const authorization of authorizations) {
    try {
      return await new Promise((resolve, reject) => {
        const answered = (error, answer) => error ? reject(error) : resolve(answer)
        authorization.Authorize(request, metadata, { deadline: Date.now() + 2_000 }, answered)
      })
    } catch (error) {
      problem = error
    }
  }
  throw problem
}

const webSockets = new WebSocketServer({ noServer: true })
const server = createServer((_request, response) => response.writeHead(426).end())
server.on('upgrade', async (request, socket, head) => {
  socket.on('error', () => socket.destroy())
  let answer
  try {
    answer = await authorize(request)
  } catch (error) {
    console.log(`nobody is let in unasked: ${error.message}`)
    return socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n')
  }
  webSockets.handleUpgrade(request, socket, head, webSocket => {
    webSocket.on('error', () => {}) // Its close follows.
    // A browser hears of a close code only on a socket that was open.
    if (!answer.accepted) return webSocket.close(answer.close.code, answer.close.reason)
    const socketId = randomUUID()
    sockets.set(socketId, webSocket)
    webSocket.on('close', () => {
      sockets.delete(socketId)
      reporter.closed(socketId)
    })
    reporter.opened({
      socketId,
      namespace: request.url.split('?')[0],
      sessionId: answer.sessionId,
      remoteAddress: request.socket.remoteAddress,
      origin: request.headers.origin,
      user: answer.user
    })
  })
})

server.listen(Number(PORT), HOST, () => console.log(`listening on ws://${HOST}:${server.address().port}`))
const reporting = reporter.run()
process.once('SIGTERM', async () => {
  server.close()
  for (const webSocket of sockets.values()) webSocket.close(4001, 'gateway_draining')
  reporter.stop()
  await reporting
  process.exit(0)
})
