// A socket server as an application would have it, for the conformance runner (../../conformance/SUBJECT.md).
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { ROOT_CONTEXT, context, propagation } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { Server } from 'socket.io'
import { SocketPass } from 'socketpass'
import { WebSocketServer } from 'ws'

const {
  kind, bare, timeoutMs, closeAfterLossMs, success, fail, rejectAfterUpgrade, unknownSetting, ...settings
} = JSON.parse(process.env.SUBJECT)

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())

function say (line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

// --- The client -------------------------------------------------------------------------------------------------------

const hooks = success === undefined && fail === undefined
  ? {}
  : {
      success (data, accept) {
        say({ event: 'success', user: data.user })
        if (success === 'throw') throw new Error('the hook was told to fail')
        if (success === 'reject') accept(new Error('refused by the application'))
        else accept()
      },
      fail (_data, message, error, accept, { reason, close }) {
        say({ event: 'fail', reason, message, error, close })
        if (fail === 'throw') throw new Error('the hook was told to fail')
        if (fail === 'accept') accept()
        else accept(new Error(message))
      }
    }

let pass // None when the server is bare.
try {
  pass = bare ? undefined : new SocketPass({
    ...settings,
    ...hooks,
    timeout: timeoutMs,
    closeAfterLoss: closeAfterLossMs,
    ...(unknownSetting ? { colour: 'red' } : {})
  })
} catch (error) {
  say({ event: 'error', message: error.message })
  process.exit(1)
}

pass?.on('userChanged', (socket, user) => say({ event: 'user_changed', socket_id: pass.get(socket).socketId, user }))

// --- The servers ------------------------------------------------------------------------------------------------------

const server = createServer((_request, response) => response.writeHead(404).end())

/** Does it in the context that the handshake came with. */
function traced (headers, something) {
  context.with(propagation.extract(ROOT_CONTEXT, headers), something)
}

function socketIo () {
  const io = new Server(server, bare === undefined ? {} : { pingInterval: 3_600_000 })
  const authorize = pass?.authorize() ?? ((_socket, next) => next())
  for (const namespace of [io.of('/'), io.of('/chat')]) {
    namespace.use((socket, next) => traced(socket.request.headers, () => authorize(socket, next)))
    namespace.on('connection', socket => {
      say({ event: 'opened', socket_id: socket.id })
      socket.on('disconnect', () => say({ event: 'closed', socket_id: socket.id }))
      const you = () => socket.emit('you', socket.request.user)
      socket.on('whoami', you)
      you()
    })
  }
}

function ws () {
  const webSockets = new WebSocketServer({ noServer: true })
  const upgrade = pass?.upgrade(webSockets, { rejectAfterUpgrade }) ?? ((request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, webSocket => webSockets.emit('connection', webSocket, request))
  })
  server.on('upgrade', (request, socket, head) => {
    if (request.url.split('?')[0] === '/off') return socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
    traced(request.headers, () => upgrade(request, socket, head))
  })
  webSockets.on('connection', (socket, request) => {
    const socketId = pass?.get(socket).socketId
    say({ event: 'opened', socket_id: socketId })
    socket.on('close', () => say({ event: 'closed', socket_id: socketId }))
    socket.on('error', () => {}) // Its close follows.
    const you = () => socket.send(JSON.stringify({ event: 'you', args: [request.user] }))
    socket.on('message', text => {
      if (JSON.parse(text).event === 'whoami') you()
    })
    you()
  })
}

({ socketio: socketIo, ws })[kind]()
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }))

process.once('SIGTERM', async () => {
  await pass?.close()
  process.exit(0)
})

// --- What it is asked -------------------------------------------------------------------------------------------------

/** Authorize calls without sockets: the middleware is asked about handshakes that nobody has sent. */
async function authorize ({ calls, concurrency, cookie }) {
  const middleware = pass.authorize()
  const handshake = { headers: { cookie }, url: '/socket.io/', auth: {}, address: '127.0.0.1', xdomain: false }
  const request = { rawHeaders: ['cookie', cookie], headers: { cookie } }
  const nsp = new Server().of('/') // Served nowhere.
  let [left, accepted] = [calls, 0]
  const cpu = process.cpuUsage()
  const wall = performance.now()
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (left-- > 0) {
      const error = await new Promise(resolve => middleware({ handshake, request: { ...request }, nsp }, resolve))
      if (error === undefined) accepted++
    }
  }))
  const { user, system } = process.cpuUsage(cpu)
  return { calls, accepted, wall_ms: performance.now() - wall, cpu_ms: (user + system) / 1_000 }
}

/** What is live: Node is started with --expose-gc for it. */
async function memory () {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise(setImmediate) // What is told of collected objects is told then.
  }
  const { heapUsed, external } = process.memoryUsage()
  return { bytes: heapUsed + external }
}

const asked = {
  authorize,
  memory,
  async filter ({ filter, params }) {
    const { sockets } = await pass.filterSockets(filter, params)
    return {
      sockets: sockets.map(({ gatewayId, socketId, namespace, user }) => ({ gateway_id: gatewayId, socket_id: socketId, namespace, user }))
    }
  },
  async count ({ filter, params }) {
    const { total } = await pass.countSockets(filter, params)
    return { total }
  },
  async send ({ filter, params = {}, name, args }) {
    const { done } = await pass.sendToSockets(filter, params, name, args)
    return { done }
  },
  async disconnect ({ filter, params = {}, close }) {
    const { done } = await pass.disconnectSockets(filter, params, close)
    return { done }
  },
  data ({ socket_id: socketId, data }) {
    const { socket } = pass.sockets.find(socket => socket.socketId === socketId)
    pass.data(socket, data)
    return { ok: true }
  },
  local ({ namespace }) {
    const there = pass.sockets.filter(socket => socket.namespace === namespace)
    return { sockets: there.map(({ socketId, user }) => ({ socket_id: socketId, user })) }
  }
}

createInterface({ input: process.stdin }).on('line', async line => {
  const { id, do: what, ...question } = JSON.parse(line)
  try {
    say({ event: 'answer', id, ...await asked[what](question) })
  } catch (error) {
    say({ event: 'answer', id, error: error.message })
  }
})
