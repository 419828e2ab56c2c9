// A Socket.IO server, in one of the ways that are compared. Its parent tells it when to count.
import { createServer } from 'node:http'
import { RedisStore } from 'connect-redis'
import cookieParser from 'cookie-parser'
import passport from 'passport'
import passportSocketIo from 'passport.socketio'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { authorize } from 'socketpass'

const [way, redisUrl, secret, address] = process.argv.slice(2)

const server = createServer()
const io = new Server(server, { transports: ['websocket'] })

switch (way) {
  case 'passport.socketio': {
    const client = createClient({ url: redisUrl })
    await client.connect()
    passport.deserializeUser((user, done) => done(null, user))
    const store = new RedisStore({ client })
    io.use(passportSocketIo.authorize({ cookieParser, key: 'connect.sid', secret, store, passport }))
    break
  }
  case 'socketpass':
    io.use(authorize({ address, timeout: 30_000 }))
    break
  case 'nobody asked':
    break
  default:
    throw new Error(`no way ${way}`)
}

// What an application would do.
io.on('connection', socket => socket.on('whoami', answer => answer(socket.request.user)))

let cpu, wall
const answers = {
  start () {
    cpu = process.cpuUsage()
    wall = performance.now()
    return {}
  },
  stop () {
    const { user, system } = process.cpuUsage(cpu)
    return { cpu: user + system, wall: performance.now() - wall }
  },
  heap () {
    globalThis.gc()
    globalThis.gc()
    return { heap: process.memoryUsage().heapUsed, external: process.memoryUsage().external, sockets: io.sockets.sockets.size }
  }
}
process.on('message', question => process.send(answers[question]()))
process.on('disconnect', () => process.exit())
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
