import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANA } from './support/scripted.mjs'
import { browser, connected, gateway, heard, logged, socketIo, told, webSocket, webSockets } from './support/servers.mjs'

const CLOSE = { code: 4505, reason: 'disconnected' }
const ZOE = { id: 1, name: 'Zoe', logged_in: true }

async function overSocketIo (t) {
  const { pass, service } = await gateway(t)
  const { io, url } = await socketIo(t, pass.authorize())
  const client = await connected(t, url)
  const stream = await (await service.stream()).until(({ listed }) => listed.size === 1)
  return { pass, service, stream, client, socketId: client.id, socket: io.sockets.sockets.get(client.id), url }
}

async function overWebSocket (t, options) {
  const { pass, service } = await gateway(t)
  const sockets = []
  const { url } = await webSockets(t, pass, options, (socket, request) => sockets.push({ socket, request }))
  const client = webSocket(t, url)
  await heard(client, 'open')
  const stream = await (await service.stream()).until(({ listed }) => listed.size === 1)
  const [socketId] = stream.listed.keys()
  return { pass, service, stream, client, socketId, ...sockets[0] }
}

test('disconnect over Socket.IO: the client hears why, and is disconnected', async t => {
  const { stream, client, socketId } = await overSocketIo(t)
  const [why, gone] = [told(client, 'socketpass:close'), told(client, 'disconnect')]
  assert.deepEqual(await stream.command('disconnect', { socketIds: [socketId], close: CLOSE }), [socketId])
  assert.deepEqual(await why, [CLOSE])
  assert.equal((await gone)[0], 'io server disconnect')
})

test('over Socket.IO a client comes back by itself if the code says that it may', async t => {
  const { pass, service } = await gateway(t)
  const { url } = await socketIo(t, pass.authorize())
  const client = browser(t, url, { reconnection: true, reconnectionDelay: 10 })
  await told(client, 'connect')
  const stream = await (await service.stream()).until(({ listed }) => listed.size === 1)
  const [why, gone, back] = [told(client, 'socketpass:close'), told(client, 'disconnect'), told(client, 'connect')]
  const close = { code: 4002, reason: 'too_many_sockets' }
  assert.deepEqual(await stream.command('disconnect', { socketIds: [client.id], close }), [client.id])
  assert.deepEqual(await why, [close])
  assert.equal((await gone)[0], 'transport close')
  await back
})

test('disconnect over WebSockets: closed with the code and the reason', async t => {
  const { stream, client, socketId } = await overWebSocket(t)
  const gone = heard(client, 'close')
  assert.deepEqual(await stream.command('disconnect', { socketIds: [socketId], close: CLOSE }), [socketId])
  const [code, reason] = await gone
  assert.deepEqual([code, String(reason)], [4505, 'disconnected'])
})

test('who is disconnected is off the list at once, however long the client takes', async t => {
  logged(t)
  const { pass, service, stream, client, socketId, socket } = await overWebSocket(t)
  client.pause() // Its close frame is not answered.
  assert.deepEqual(await stream.command('disconnect', { socketIds: [socketId], close: CLOSE }), [socketId])
  assert.deepEqual(pass.sockets, [])
  await stream.until(({ listed }) => listed.size === 0)
  pass.data(socket, { late: true }) // The application does not know yet.
  assert.deepEqual(await stream.command('send', { socketIds: [socketId], event: 'news', args: [] }), [])
  stream.end(14) // UNAVAILABLE
  const again = await (await service.stream(2)).until(({ complete }) => complete)
  assert.deepEqual(again.batches.flatMap(({ events }) => events), [])
  const told = stream.batches.flatMap(({ events }) => events).map(({ event }) => event.$case)
  assert.deepEqual(told, ['opened', 'closed'])
})

for (const close of [undefined, { code: 0, reason: '' }, { code: 1006, reason: 'gone' }, { code: 4000, reason: 'a'.repeat(124) }]) {
  test(`disconnect with ${close ? `the code ${close.code} and ${close.reason.length} letters` : 'no close'} closes with 4505`, async t => {
    const { stream, client, socketId } = await overWebSocket(t)
    const gone = heard(client, 'close')
    assert.deepEqual(await stream.command('disconnect', { socketIds: [socketId], close }), [socketId])
    const [code, reason] = await gone
    assert.deepEqual([code, String(reason)], [4505, 'disconnected'])
  })
}

test('who is told to close is heard no more over WebSockets, and its connection ended after three seconds', async t => {
  const { stream, client, socketId, socket } = await overWebSocket(t)
  const heardOf = []
  socket.on('message', text => heardOf.push(String(text)))
  client.send('before')
  await heard(socket, 'message')
  client._receiver.removeAllListeners('conclude') // It does not answer its close frame.
  const closed = heard(socket, 'close')
  const begun = performance.now()
  await stream.command('disconnect', { socketIds: [socketId], close: CLOSE })
  client.send('after')
  socket.on('message', text => heardOf.push(String(text)))
  await closed
  assert.deepEqual(heardOf, ['before'])
  const took = performance.now() - begun
  assert.ok(took > 2_500 && took < 5_000, `after ${took} ms`)
})

test('who is told to close is heard no more over Socket.IO', async t => {
  const { stream, client, socketId, socket } = await overSocketIo(t)
  socket.on('late', () => assert.fail('it was heard'))
  const gone = told(client, 'disconnect')
  socket.prependListener('disconnect', () => {})
  const done = stream.command('disconnect', { socketIds: [socketId], close: { code: 4002, reason: 'too_many_sockets' } })
  client.on('socketpass:close', () => client.emit('late'))
  await done
  await gone
})

for (const [over, make] of [['WebSockets', overWebSocket], ['Socket.IO', overSocketIo]]) {
  test(`send over ${over} is not done for a client that reads nothing`, async t => {
    const { stream, client, socketId } = await make(t)
    const reader = client._socket ?? client.io.engine.transport.ws._socket
    reader.pause()
    let done
    for (let i = 0; i < 100; i++) {
      done = await stream.command('send', { socketIds: [socketId], event: 'news', args: ['a'.repeat(500_000)] })
      if (done.length === 0) break
    }
    assert.deepEqual(done, [])
    reader.resume()
  })
}

test('disconnect of who is gone is done', async t => {
  const { stream } = await overSocketIo(t)
  assert.deepEqual(await stream.command('disconnect', { socketIds: ['gone'], close: CLOSE }), ['gone'])
})

test('send over Socket.IO is an event', async t => {
  const { stream, client, socketId } = await overSocketIo(t)
  const heard = told(client, 'news')
  const args = ['a', 1, null, { deep: [true] }]
  assert.deepEqual(await stream.command('send', { socketIds: [socketId, 'gone'], event: 'news', args }), [socketId])
  assert.deepEqual(await heard, args)
})

test('send over WebSockets is a message', async t => {
  const { stream, client, socketId } = await overWebSocket(t)
  const said = heard(client, 'message')
  assert.deepEqual(await stream.command('send', { socketIds: [socketId, 'gone'], event: 'news', args: [1] }), [socketId])
  const [message, binary] = await said
  assert.equal(binary, false)
  assert.deepEqual(JSON.parse(message), { event: 'news', args: [1] })
})

test('serialize writes the message otherwise', async t => {
  const { stream, client, socketId } = await overWebSocket(t, { serialize: (event, args) => `${event}:${args}` })
  const said = heard(client, 'message')
  await stream.command('send', { socketIds: [socketId], event: 'news', args: [1, 2] })
  assert.equal(String((await said)[0]), 'news:1,2')
})

test('an event that Socket.IO does not send is done for none', async t => {
  const lines = logged(t)
  const { stream, socketId } = await overSocketIo(t)
  assert.deepEqual(await stream.command('send', { socketIds: [socketId], event: 'connect', args: [] }), [])
  assert.match(lines.join(), /command send failed.*reserved/)
})

test('a command that is not known is done for none', async t => {
  const { stream } = await overSocketIo(t)
  assert.deepEqual(await stream.command(), [])
})

test('user_changed over Socket.IO replaces the user and tells the application', async t => {
  const { pass, service, stream, socketId, socket } = await overSocketIo(t)
  const changed = heard(pass, 'userChanged')
  assert.deepEqual(await stream.command('userChanged', { socketIds: [socketId, 'gone'], user: ZOE }), [socketId])
  assert.deepEqual(await changed, [socket, ZOE])
  assert.deepEqual(socket.request.user, ZOE)
  assert.deepEqual(pass.get(socket).user, ZOE)
  stream.end(14) // UNAVAILABLE
  const again = await (await service.stream(2)).until(({ complete }) => complete)
  assert.deepEqual(again.listed.get(socketId).user, ZOE)
})

test('user_changed over WebSockets replaces the user and tells the application', async t => {
  const { pass, stream, socketId, socket, request } = await overWebSocket(t)
  assert.deepEqual(request.user, ANA)
  const changed = heard(pass, 'userChanged')
  assert.deepEqual(await stream.command('userChanged', { socketIds: [socketId], user: ZOE }), [socketId])
  assert.deepEqual(await changed, [socket, ZOE])
  assert.deepEqual(request.user, ZOE)
})

test('a listener that fails changes nothing about that', async t => {
  const lines = logged(t)
  const { pass, stream, socketId, socket } = await overSocketIo(t)
  pass.on('userChanged', () => { throw new Error('a bug') })
  assert.deepEqual(await stream.command('userChanged', { socketIds: [socketId], user: ZOE }), [socketId])
  assert.deepEqual(socket.request.user, ZOE)
  assert.match(lines.join(), /userChanged failed: .*a bug/)
})

test('data is reported, and again when it changes', async t => {
  const { pass, stream, socketId, socket } = await overSocketIo(t)
  pass.data(socket, { room: 'a', list: [1] })
  await stream.until(({ listed }) => listed.get(socketId)?.data?.room === 'a')
  pass.data(socket, { room: 'b' })
  await stream.until(({ listed }) => listed.get(socketId)?.data?.room === 'b')
  assert.deepEqual(stream.listed.get(socketId).user, ANA)
})

test('data that cannot be reported is an error', async t => {
  const { pass, socket, client } = await overSocketIo(t)
  const circle = {}
  circle.circle = circle
  assert.throws(() => pass.data(socket, circle), /data: is deeper than 24 levels/)
  assert.throws(() => pass.data(socket, { text: 'a'.repeat(65_536) }), /data: is larger than 65536 bytes/)
  assert.throws(() => pass.data(socket, ['a']), /data: takes an object/)
  assert.throws(() => pass.data({}, {}), /data: the socket is not open here/)
  const closed = heard(socket, 'disconnect')
  client.disconnect()
  await closed
  assert.equal(pass.sockets.length, 0)
})
