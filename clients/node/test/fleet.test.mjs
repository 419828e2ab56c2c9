import assert from 'node:assert/strict'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { SocketPass, authorize, filterSocketsByUser } from 'socketpass'
import { ANA, Scripted, view } from './support/scripted.mjs'
import { connected, gateway, logged, socketIo } from './support/servers.mjs'

const socket = (gatewayId, socketId, namespace = '/') => ({
  gatewayId, socketId, namespace, sessionId: '', remoteAddress: '', origin: '', user: ANA, data: { room: 'a' }, connectedAt: new Date(1_000)
})

const known = { age: 5, incompleteGateways: ['late'], warmingUp: false }

/** The method answers with these messages, or with the error. */
function streams (...messages) {
  return call => {
    for (const message of messages) {
      if ('code' in message) return call.emit('error', message)
      call.write(message)
    }
    call.end()
  }
}

test('filterSockets gives the sockets of the fleet', async t => {
  const { pass, service } = await gateway(t)
  service.registry.filterSockets = streams(
    { sockets: [socket('g1', 'a')], nextCursor: '', view }, { sockets: [socket('g2', 'b', '/chat')], nextCursor: '', view }
  )
  const answer = await pass.filterSockets('user.id == params.id', { id: 4711, list: ['a', null] })
  assert.deepEqual(answer.view, known)
  assert.deepEqual(answer.sockets.map(({ emit, ...rest }) => rest), [
    { gatewayId: 'g1', socketId: 'a', namespace: '/', user: ANA, origin: '', data: { room: 'a' }, connectedAt: new Date(1_000) },
    { gatewayId: 'g2', socketId: 'b', namespace: '/chat', user: ANA, origin: '', data: { room: 'a' }, connectedAt: new Date(1_000) }
  ])
  const { request } = service.calls[0]
  assert.equal(request.filter, 'user.id == params.id')
  assert.deepEqual(request.params, { id: 4711, list: ['a', null] })
})

test('a filter that the service refuses is an error with its words', async t => {
  const { pass, service } = await gateway(t)
  service.registry.filterSockets = streams({ code: grpc.status.INVALID_ARGUMENT, details: 'filter: no such function' })
  await assert.rejects(pass.filterSockets('nonsense()'), { code: grpc.status.INVALID_ARGUMENT, details: 'filter: no such function' })
})

test('emit of a remote socket sends the event to it alone', async t => {
  const { pass, service } = await gateway(t)
  service.registry.filterSockets = streams({ sockets: [socket('g1', 'a')], nextCursor: '', view })
  service.registry.sendToSockets = streams(
    { matched: 1, done: 0, failed: 0, unreachable: 0, view }, { matched: 1, done: 1, failed: 0, unreachable: 0, view }
  )
  const { sockets: [remote] } = await pass.filterSockets('true')
  assert.equal(await remote.emit('news', 1, { two: 2 }), true)
  const { request } = service.calls[1]
  assert.deepEqual(request.params, { gateway_id: 'g1', socket_id: 'a' })
  assert.equal(request.event, 'news')
  assert.deepEqual(request.args, [1, { two: 2 }])
})

test('emit that fails and that nobody waits for is logged and ends nothing', async t => {
  const lines = logged(t)
  const { pass, service } = await gateway(t)
  service.registry.filterSockets = streams({ sockets: [socket('g1', 'a')], nextCursor: '', view })
  service.registry.sendToSockets = streams({ code: grpc.status.UNAVAILABLE, details: 'gone' })
  const { sockets } = await pass.filterSockets('true')
  sockets.forEach(remote => void remote.emit('news'))
  await assert.rejects(sockets[0].emit('news'), { code: grpc.status.UNAVAILABLE })
  assert.match(lines.join(), /an event was not sent: .*gone/)
})

test('countSockets gives the total and the groups', async t => {
  const { pass, service } = await gateway(t)
  service.registry.countSockets = (_call, reply) => reply(null, {
    total: 3, groups: [{ key: 'payments', count: 2 }, { key: null, count: 1 }], view
  })
  assert.deepEqual(await pass.countSockets('true', {}, 'user.team'), {
    total: 3, groups: [{ key: 'payments', count: 2 }, { key: null, count: 1 }], view: known
  })
  assert.equal(service.calls[0].request.groupBy, 'user.team')
})

test('sendToSockets and disconnectSockets say what came of it', async t => {
  const { pass, service } = await gateway(t)
  const last = { matched: 5, done: 3, failed: 1, unreachable: 1, view }
  service.registry.sendToSockets = streams({ matched: 5, done: 0, failed: 0, unreachable: 0, view }, last)
  service.registry.disconnectSockets = streams(last)
  const outcome = { matched: 5, done: 3, failed: 1, unreachable: 1, view: known }
  assert.deepEqual(await pass.sendToSockets('true', {}, 'news', ['a']), outcome)
  assert.deepEqual(await pass.disconnectSockets('user.id == 1', {}, { code: 4505, reason: 'disconnected' }), outcome)
  assert.deepEqual(service.calls[1].request.close, { code: 4505, reason: 'disconnected' })
})

/** A Socket.IO server with the drop-in on it, and /chat too. */
async function dropIn (t) {
  const service = await Scripted.start()
  const middleware = authorize({ address: service.address, goodbyeOnSigterm: false })
  t.after(async () => {
    service.stop()
    await middleware.pass.close()
  })
  const served = await socketIo(t, middleware, io => io.of('/chat').use(middleware))
  return { service, ...served }
}

test('filterSocketsByUser with a function gives the sockets of this process', async t => {
  const { io, url, service } = await dropIn(t)
  const ana = await connected(t, url)
  service.answer = { ...service.answer, user: { id: 2, logged_in: true } }
  const zoe = await connected(t, `${url}/chat`)
  const ids = (...args) => filterSocketsByUser(...args).map(({ id }) => id)
  assert.deepEqual(ids(io, () => true), [ana.id, zoe.id])
  assert.deepEqual(ids(io, user => user.id === 4711), [ana.id])
  assert.deepEqual(ids(io.of('/chat'), user => user.logged_in), [zoe.id])
  assert.deepEqual(ids(io.of('/chat'), user => user.id === 4711), [])
  assert.equal(filterSocketsByUser(io, () => true)[0], io.sockets.sockets.get(ana.id))
})

test('filterSocketsByUser sees neither another server nor who has gone', async t => {
  const { io, url } = await dropIn(t)
  const other = await dropIn(t)
  await connected(t, other.url)
  assert.deepEqual(filterSocketsByUser(io, () => true), [])
  const socket = await connected(t, url)
  const gone = new Promise(resolve => io.sockets.sockets.get(socket.id).once('disconnect', resolve))
  socket.disconnect()
  await gone
  assert.deepEqual(filterSocketsByUser(io, () => true), [])
})

test('filterSocketsByUser with CEL text asks about the fleet, also before anybody has come', async t => {
  const { io, service } = await dropIn(t)
  service.registry.filterSockets = streams({ sockets: [socket('g1', 'a'), socket('g2', 'b', '/chat')], nextCursor: '', view })
  const all = await filterSocketsByUser(io, 'user.team == params.team', { team: 'payments' })
  assert.deepEqual(all.map(({ gatewayId, socketId, namespace }) => [gatewayId, socketId, namespace]), [['g1', 'a', '/'], ['g2', 'b', '/chat']])
  assert.deepEqual((await filterSocketsByUser(io.of('/chat'), 'true')).map(({ socketId }) => socketId), ['b'])
  assert.deepEqual(service.calls[0].request.params, { team: 'payments' })
})

test('filterSocketsByUser with CEL text and nobody to ask is an error', async t => {
  const pass = new SocketPass({ address: '127.0.0.1:1' })
  logged(t)
  await pass.close()
  await assert.rejects(filterSocketsByUser({}, 'true'), /there is no authorize\(\) to ask through/)
})
