// The Node room: Socket.IO. It also throws people out of the whole fleet.
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { SocketPass } from 'socketpass'

const {
  HOST = '127.0.0.1',
  PORT = '3001',
  SOCKETPASS_ADDR,
  SOCKETPASS_TOKEN, // Its role is `gateway`.
  SOCKETPASS_ADMIN_TOKEN // Its role is `admin`.
} = process.env
const ROOM = 'node'

const pass = new SocketPass({
  address: SOCKETPASS_ADDR, token: SOCKETPASS_TOKEN, gatewayId: ROOM, goodbyeOnSigterm: true
})
// Disconnecting needs the role `admin`, and an admin's filter may ask for session ids. What people type into the filter box is
// asked as a gateway.
const admin = new SocketPass({
  address: SOCKETPASS_ADDR, token: SOCKETPASS_ADMIN_TOKEN, gatewayId: `${ROOM}-admin`, goodbyeOnSigterm: true
})

const server = createServer()
const io = new Server(server)
io.use(pass.authorize())

io.on('connection', socket => {
  // The user may change while the socket is open.
  const user = () => socket.request.user

  // What goes wrong is told to whoever asked.
  const on = (event, handle) => socket.on(event, async value => {
    try {
      await handle(value)
    } catch (error) {
      socket.emit('problem', event, error.details ?? error.message)
    }
  })

  on('say', async text => {
    const message = { room: ROOM, from: user().name, text: String(text) }
    await pass.sendToSockets('gateway.gateway_id == params.room', { room: ROOM }, 'said', [message])
  })

  on('who', async filter => {
    const { sockets } = await pass.filterSockets(String(filter))
    socket.emit('online', sockets.map(({ gatewayId, user: { id, name, role } }) => ({ room: gatewayId, id, name, role })))
  })

  on('kick', async id => {
    if (user().role !== 'admin') throw new Error('only admins throw people out')
    const close = { code: 4505, reason: 'thrown_out' }
    const { done } = await admin.disconnectSockets('user.id == params.id', { id }, close)
    socket.emit('kicked', done)
  })
})

server.listen(Number(PORT), HOST, () => console.log(`listening on http://${HOST}:${server.address().port}`))
