import assert from 'node:assert/strict'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { ACCEPTED, ANA, NOT_LOGGED_IN, STORE_UNAVAILABLE } from './support/scripted.mjs'
import { browser, connected, gateway, heard, logged, refused, socketIo, told, webSocket } from './support/servers.mjs'

/** A gateway with a Socket.IO server that answers `whoami`. */
async function server (t, settings, script, use = () => {}, options) {
  const there = await gateway(t, settings, script)
  const served = await socketIo(t, there.pass.authorize(), io => {
    io.on('connection', socket => socket.on('whoami', answer => answer(socket.request[settings?.userProperty ?? 'user'])))
    use(io, there.pass)
  }, options)
  return { ...there, ...served }
}

const unavailable = { code: grpc.status.UNAVAILABLE, details: 'the replica is stopping' }

test('who is accepted comes in, with the user on the request', async t => {
  const { url, io } = await server(t)
  const socket = await connected(t, url)
  assert.deepEqual(await socket.emitWithAck('whoami'), ANA)
  const [there] = io.sockets.sockets.values()
  assert.equal(there.request.sessionID, 'session-1')
})

test('userProperty says where the user is put', async t => {
  const { url } = await server(t, { userProperty: 'account' })
  assert.deepEqual(await (await connected(t, url)).emitWithAck('whoami'), ANA)
})

test('the service is asked about the whole handshake', async t => {
  const { url, service } = await server(t, {}, {}, (io, pass) => io.of('/chat').use(pass.authorize()))
  const headers = { cookie: 'connect.sid=s%3Aabc', origin: 'https://app.example', 'x-name': 'Zo\u00eb' }
  await connected(t, `${url}/chat`, { headers, auth: { session_id: 's:1', list: [1, null, true] }, query: { room: 'a b' } })
  const { handshake, gatewayId } = service.calls[0].request
  assert.equal(gatewayId, 'gateway-1')
  assert.equal(handshake.headers.cookie, 'connect.sid=s%3Aabc')
  assert.equal(handshake.headers['x-name'], 'Zo\u00eb')
  assert.equal(handshake.headers.upgrade, 'websocket')
  assert.match(handshake.url, /^\/socket\.io\/\?room=a\+b&EIO=4&transport=websocket|^\/socket\.io\/\?room=a%20b&EIO=4/)
  assert.deepEqual(handshake.auth, { session_id: 's:1', list: [1, null, true] })
  assert.equal(handshake.remoteAddress, '127.0.0.1')
  assert.equal(handshake.xdomain, true)
  assert.equal(handshake.namespace, '/chat')
})

test('HTTP long polling works as well', async t => {
  const { url } = await server(t)
  assert.deepEqual(await (await connected(t, url, { transports: ['polling'] })).emitWithAck('whoami'), ANA)
})

test('who is rejected hears the message, and code and reason', async t => {
  const { url, service } = await server(t, {}, { answer: NOT_LOGGED_IN })
  const error = await refused(t, url)
  assert.equal(error.message, 'Nobody here')
  assert.deepEqual(error.data, { code: 4501, reason: 'not_logged_in' })
  assert.equal(service.calls.length, 1)
})

test('a reason for letting in that is not known lets nobody in', async t => {
  const lines = logged(t)
  const { url } = await server(t, { onUnavailable: 'accept' }, { answer: { ...ACCEPTED, reason: 'REASON_UNSPECIFIED' } })
  await refused(t, url)
  assert.match(lines.join(), /the service is newer/)
})

test('without a decision nobody comes in, and the log says why once', async t => {
  const lines = logged(t)
  const { url, service } = await server(t, {}, { answer: { code: grpc.status.INTERNAL, details: 'broken' } })
  for (const _ of [1, 2]) {
    const error = await refused(t, url)
    assert.equal(error.message, 'Authorization service unavailable')
    assert.deepEqual(error.data, { code: 4000, reason: 'service_unavailable' })
  }
  assert.equal(service.calls.length, 2)
  assert.deepEqual(lines, ['socketpass: handshakes are not decided: INTERNAL: broken'])
})

test('UNAVAILABLE is tried four times', async t => {
  logged(t)
  const { url, service } = await server(t, {}, { answer: unavailable })
  await refused(t, url)
  assert.equal(service.calls.length, 4)
})

test('a replica that goes loses no handshake', async t => {
  const answers = [unavailable, unavailable, ACCEPTED]
  const { url } = await server(t, {}, { answer: () => answers.shift() })
  await connected(t, url)
})

test('a service that does not answer is waited for until the timeout', async t => {
  logged(t)
  const { url, service } = await server(t, { timeout: 300 }, { answer: () => undefined })
  const before = performance.now()
  const error = await refused(t, url)
  assert.ok(performance.now() - before > 250)
  assert.deepEqual(error.data, { code: 4000, reason: 'service_unavailable' })
  const left = service.calls[0].deadline - Date.now()
  assert.ok(left < 300, 'the service knows the deadline')
})

test('retries end with the timeout', async t => {
  logged(t)
  const { url, service } = await server(t, { timeout: 40 }, { answer: unavailable })
  await refused(t, url)
  assert.ok(service.calls.length <= 2)
})

for (const [what, answer] of [['no decision', { code: grpc.status.RESOURCE_EXHAUSTED, details: 'busy' }], ['a fault', STORE_UNAVAILABLE]]) {
  test(`onUnavailable lets in on ${what}, as nobody, and without asking the hooks`, async t => {
    logged(t)
    const asked = () => assert.fail('a hook was asked')
    const { url, service } = await server(t, { onUnavailable: 'accept', success: asked, fail: asked }, { answer })
    const socket = await connected(t, url)
    assert.deepEqual(await socket.emitWithAck('whoami'), { logged_in: false })
    const stream = await (await service.stream()).until(({ listed }) => listed.has(socket.id))
    assert.equal(stream.listed.get(socket.id).sessionId, '')
    assert.deepEqual(stream.listed.get(socket.id).user, { logged_in: false })
  })
}

test('onUnavailable has no say in a decision that rejects', async t => {
  const { url } = await server(t, { onUnavailable: 'accept' }, { answer: NOT_LOGGED_IN })
  await refused(t, url)
})

for (const [code, hint] of [
  ['UNAUTHENTICATED', /`token`/], ['PERMISSION_DENIED', /`token`/], ['INVALID_ARGUMENT', /words$/], ['UNIMPLEMENTED', /`address`/]
]) {
  test(`${code} is the gateway's own mistake: rejected whatever onUnavailable says, and logged`, async t => {
    const lines = logged(t)
    const { url } = await server(t, { onUnavailable: 'accept' }, { answer: { code: grpc.status[code], details: 'words' } })
    const error = await refused(t, url)
    assert.deepEqual(error.data, { code: 4000, reason: 'service_unavailable' })
    assert.match(lines.join('\n'), new RegExp(`${code}: words`))
    assert.match(lines.join('\n'), hint)
  })
}

test('success may refuse, at its leisure, with its own words', async t => {
  const seen = []
  const { url, service } = await server(t, {
    success (data, accept, decision) {
      seen.push([data.user, decision.reason, data.sessionID])
      setImmediate(() => accept(new Error('not today')))
    }
  })
  const error = await refused(t, url)
  assert.equal(error.message, 'not today')
  assert.deepEqual(error.data, { code: 4504, reason: 'denied_by_policy' })
  assert.deepEqual(seen, [[ANA, 'AUTHORIZED', 'session-1']])
  assert.equal((await service.stream()).listed.size, 0)
})

test('success lets in by accept() and by accept(null, true)', async t => {
  for (const args of [[], [null, true]]) {
    const { url } = await server(t, { success: (_data, accept) => accept(...args) })
    await connected(t, url)
  }
})

test('the error of a hook may bring its own data', async t => {
  const { url } = await server(t, { success: (_data, accept) => accept(Object.assign(new Error('no'), { data: { mine: 1 } })) })
  assert.deepEqual((await refused(t, url)).data, { mine: 1 })
})

test('fail is asked about a rejection, and accept(new Error(message)) rejects', async t => {
  const seen = []
  const { url } = await server(t, {
    fail (data, message, critical, accept, decision) {
      seen.push([data.user, message, critical, decision.reason, decision.close])
      accept(new Error(message))
    }
  }, { answer: NOT_LOGGED_IN })
  const error = await refused(t, url)
  assert.equal(error.message, 'Nobody here')
  assert.deepEqual(error.data, { code: 4501, reason: 'not_logged_in' })
  assert.deepEqual(seen, [[{ logged_in: false }, 'Nobody here', false, 'NOT_LOGGED_IN', { code: 4501, reason: 'not_logged_in' }]])
})

test('fail may let in: as nobody, reported without a session', async t => {
  const answer = { ...NOT_LOGGED_IN, sessionId: 'session-2', user: ANA }
  const { url, service } = await server(t, { fail: (_data, _message, _critical, accept) => accept() }, { answer })
  const socket = await connected(t, url)
  assert.deepEqual(await socket.emitWithAck('whoami'), { logged_in: false })
  const { listed } = await (await service.stream()).until(({ listed }) => listed.has(socket.id))
  assert.equal(listed.get(socket.id).sessionId, '')
})

test('accept(null, false) rejects', async t => {
  const { url } = await server(t, { fail: (_data, _message, critical, accept) => accept(null, !critical) }, { answer: STORE_UNAVAILABLE })
  const error = await refused(t, url)
  assert.equal(error.message, 'Error in session store:\nit is away')
  assert.deepEqual(error.data, { code: 4000, reason: 'store_unavailable' })
})

test('without a decision fail sees so', async t => {
  logged(t)
  const seen = []
  const { url } = await server(t, {
    fail (data, message, critical, accept, { reason, close }) {
      seen.push([data.user, message, critical, reason, close])
      accept(new Error(message))
    }
  }, { answer: { code: grpc.status.INTERNAL, details: 'broken' } })
  await refused(t, url)
  assert.deepEqual(seen, [
    [{ logged_in: false }, 'Authorization service unavailable', true, 'UNSPECIFIED', { code: 4000, reason: 'service_unavailable' }]
  ])
})

for (const [how, hook] of [['throws', () => { throw new Error('a bug') }], ['fails', async () => { throw new Error('a bug') }]]) {
  test(`a hook that ${how} rejects, keeps its words to the log, and does not end the process`, async t => {
    const lines = logged(t)
    const { url, service } = await server(t, { success: hook, fail: hook })
    const first = await refused(t, url)
    assert.equal(first.message, 'Authorization failed')
    assert.deepEqual(first.data, { code: 4000, reason: 'service_unavailable' })
    service.answer = NOT_LOGGED_IN
    assert.equal((await refused(t, url)).message, 'Nobody here')
    assert.match(lines[0], /the hook `success` failed.*a bug/)
    assert.match(lines[1], /the hook `fail` failed.*a bug/)
  })
}

test('an auth payload that is too deep is rejected whatever onUnavailable says', async t => {
  const { url, service } = await server(t, { onUnavailable: 'accept' })
  const socket = webSocket(t, `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  await heard(socket, 'message')
  socket.send(`40{"deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)
  const [answer] = await heard(socket, 'message')
  assert.match(String(answer), /^44\{"message":"Authorization service unavailable"/)
  assert.equal(service.calls.length, 0)
})

for (const onUnavailable of ['reject', 'accept']) {
  test(`who comes while the gateway closes is told so when onUnavailable is ${onUnavailable}`, async t => {
    const { url, pass, service } = await server(t, { onUnavailable, success: assert.fail, fail: assert.fail })
    let answer
    service.answer = () => new Promise(resolve => { answer = () => resolve(ACCEPTED) })
    const before = refused(t, url)
    await heard(service, 'call')
    const closing = pass.close()
    const after = refused(t, url)
    answer()
    for (const error of [await before, await after]) {
      assert.equal(error.message, 'Gateway is shutting down')
      assert.deepEqual(error.data, { code: 4001, reason: 'gateway_draining' })
    }
    await closing
    assert.equal(service.calls.length, 1)
  })
}

test('who has been let in and opens while the gateway closes is closed', async t => {
  let go
  const { url, pass } = await server(t, {}, {}, io => io.use((_socket, next) => { go = next }))
  const socket = browser(t, url)
  const closed = told(socket, 'socketpass:close')
  while (go === undefined) await new Promise(resolve => setImmediate(resolve))
  const closing = pass.close()
  go()
  assert.deepEqual(await closed, [{ code: 4001, reason: 'gateway_draining' }])
  assert.deepEqual(pass.sockets, [])
  await closing
})

for (const [what, auth, why] of [
  ['many numbers', { list: Array(100_000).fill(0) }, 'larger than 65536 bytes'],
  ['many empty lists', { list: Array(100_000).fill([]) }, 'larger than 65536 bytes'],
  ['a long text', { text: '\xE9'.repeat(40_000) }, 'larger than 65536 bytes'],
  ['many names', Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [i, null])), 'larger than 65536 bytes']
]) {
  test(`an auth payload of ${what} is rejected without asking, whatever onUnavailable says`, async t => {
    const lines = logged(t)
    const { url, service } = await server(t, { onUnavailable: 'accept' })
    assert.deepEqual((await refused(t, url, { auth })).data, { code: 4000, reason: 'service_unavailable' })
    assert.equal(service.calls.length, 0)
    assert.match(lines.join(), new RegExp(`INVALID_ARGUMENT: \`auth\` is ${why}`))
  })
}

test('an auth payload of 24 levels and nearly 64 KiB is asked about', async t => {
  let auth = { text: 'a'.repeat(65_000) }
  for (let i = 0; i < 23; i++) auth = { in: auth }
  const { url, service } = await server(t)
  await connected(t, url, { auth })
  assert.deepEqual(service.calls[0].request.handshake.auth, auth)
})

for (const [what, success] of [
  ['says nothing', () => {}], ['fails later, with a promise of its own kind,', () => ({ then: (_done, failed) => setImmediate(failed) })]
]) {
  test(`a hook that ${what} has failed`, async t => {
    const lines = logged(t)
    const { url } = await server(t, { success, timeout: 500 })
    assert.deepEqual((await refused(t, url)).data, { code: 4000, reason: 'service_unavailable' })
    assert.match(lines.join(), /the hook `success` failed/)
  })
}

test('each namespace has a user of its own, also on one connection', async t => {
  const users = {}
  const { url, service } = await server(t, {}, {}, (io, pass) => {
    for (const name of ['/', '/chat']) io.of(name).on('connection', socket => { users[name] = socket })
    io.of('/chat').use(pass.authorize())
  })
  service.answer = { ...ACCEPTED, user: { logged_in: true, name: 'Zoe' } }
  const main = await connected(t, url)
  service.answer = ACCEPTED
  const chat = main.io.socket('/chat')
  await told(chat, 'connect')
  assert.equal(users['/'].request.user.name, 'Zoe')
  assert.equal(users['/chat'].request.user.name, 'Ana')
  assert.equal(users['/'].request.headers, users['/chat'].request.headers)
})

test('over a Unix socket there is no address', async t => {
  const { pass, service } = await gateway(t)
  const handshake = { headers: {}, url: '/', auth: {}, address: undefined, xdomain: false }
  const nsp = { name: '/', server: {}, sockets: new Map(), prependListener () {} }
  const error = await new Promise(resolve => pass.authorize()({ handshake, nsp, request: { rawHeaders: [] } }, resolve))
  assert.equal(error, undefined)
  assert.equal(service.calls[0].request.handshake.remoteAddress, '')
})

test('a socket that another middleware refuses is not reported', async t => {
  const { url, service } = await server(t, {}, {}, io => io.use((_socket, next) => next(new Error('full'))))
  assert.equal((await refused(t, url)).message, 'full')
  await (await service.stream()).until(({ complete }) => complete)
  assert.equal((await service.stream()).listed.size, 0)
})

test('each namespace is a socket of its own', async t => {
  const { url, service } = await server(t, {}, {}, (io, pass) => io.of(/^\/room-\d+$/).use(pass.authorize()))
  const main = await connected(t, url)
  const room = main.io.socket('/room-1')
  await told(room, 'connect')
  const { listed } = await (await service.stream()).until(({ listed }) => listed.size === 2)
  assert.deepEqual([...listed.values()].map(({ namespace }) => namespace).sort(), ['/', '/room-1'])
  room.disconnect()
  await (await service.stream()).until(({ listed }) => listed.size === 1)
})

test('what is reported of a socket', async t => {
  const before = Date.now()
  const { url, service } = await server(t)
  const socket = await connected(t, url, { headers: { origin: 'https://app.example' } })
  const { listed } = await (await service.stream()).until(({ listed }) => listed.size === 1)
  const { connectedAt, ...rest } = listed.get(socket.id)
  assert.ok(connectedAt >= before && connectedAt <= Date.now())
  assert.deepEqual(rest, {
    gatewayId: '', socketId: socket.id, namespace: '/', sessionId: 'session-1', remoteAddress: '127.0.0.1',
    origin: 'https://app.example', user: ANA, data: undefined
  })
})

test('a user that the application writes to is reported as the service knows it', async t => {
  const { url, service } = await server(t, {
    success (data, accept) {
      data.user.itself = data.user
      accept()
    }
  })
  const socket = await connected(t, url)
  const { listed } = await (await service.stream()).until(({ listed }) => listed.size === 1)
  assert.deepEqual(listed.get(socket.id).user, ANA)
})

test('a socket that Socket.IO recovers without asking is closed, and the log says what to set', async t => {
  const lines = logged(t)
  const { url, io } = await server(t, {}, {}, () => {}, { connectionStateRecovery: {} })
  const socket = browser(t, url, { reconnection: true, reconnectionDelay: 10 })
  await told(socket, 'connect')
  socket.emit('whoami', () => {})
  io.emit('news') // A client that has no offset is not recovered.
  await told(socket, 'news')
  const closed = told(socket, 'socketpass:close')
  socket.io.engine.close()
  assert.deepEqual((await closed)[0], { code: 4000, reason: 'service_unavailable' })
  assert.equal(socket.recovered, true)
  assert.match(lines.join(), /connectionStateRecovery\.skipMiddlewares/)
})

test('one that is recovered before anybody has come is closed when somebody comes', async t => {
  const lines = logged(t)
  const { url, io } = await server(t, {}, {}, () => {}, { connectionStateRecovery: {} })
  io.of('/').adapter.restoreSession = async () => ({ sid: 'old', pid: 'known', rooms: [], data: {}, missedPackets: [] })
  const recovered = webSocket(t, `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  await heard(recovered, 'message')
  recovered.send('40{"pid":"known","offset":"1"}')
  await heard(recovered, 'message')
  await connected(t, url)
  assert.equal(io.of('/').sockets.has('old'), false)
  assert.match(lines.join(), /connectionStateRecovery\.skipMiddlewares/)
})
