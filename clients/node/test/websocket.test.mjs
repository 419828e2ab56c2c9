import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { ACCEPTED, ANA, NOT_LOGGED_IN, STORE_UNAVAILABLE, rejected } from './support/scripted.mjs'
import { gateway, heard, logged, webSocket, webSockets } from './support/servers.mjs'

const UPGRADE = [
  'GET /chat HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''
].join('\r\n')

/** The answer to an upgrade that is refused. */
async function refusal (socket) {
  const [, response] = await heard(socket, 'unexpected-response')
  const chunks = await response.toArray()
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks)) }
}

test('who is accepted comes in, with the user on the request', async t => {
  const { pass, service } = await gateway(t)
  const { url } = await webSockets(t, pass, {}, (socket, request) => socket.send(JSON.stringify(request.user)))
  const socket = webSocket(t, `${url}/chat?room=1`, { origin: 'https://app.example' })
  const [message] = await heard(socket, 'message')
  assert.deepEqual(JSON.parse(message), ANA)
  const { handshake } = service.calls[0].request
  assert.equal(handshake.url, '/chat?room=1')
  assert.equal(handshake.namespace, '/chat')
  assert.equal(handshake.remoteAddress, '127.0.0.1')
  const { listed } = await (await service.stream()).until(({ listed }) => listed.size === 1)
  const [{ connectedAt, socketId, ...rest }] = listed.values()
  assert.ok(connectedAt instanceof Date)
  assert.match(socketId, /^[0-9a-f-]{36}$/)
  assert.deepEqual(rest, {
    gatewayId: '', namespace: '/chat', sessionId: 'session-1', remoteAddress: '127.0.0.1', origin: 'https://app.example',
    user: ANA, data: undefined
  })
})

test('repeated headers are joined, and bytes are read as Latin-1', async t => {
  const { pass, service } = await gateway(t)
  const { server } = await webSockets(t, pass)
  const socket = connect(server.address().port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(Buffer.from([
    'GET /chat HTTP/1.1', 'Host: a', 'Host: b', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Cookie: a=1', 'cookie: b=\xE9', 'X-Two: 1', 'x-two: 2', '', ''
  ].join('\r\n'), 'latin1'))
  await heard(socket, 'data')
  const { headers } = service.calls[0].request.handshake
  assert.equal(headers.cookie, 'a=1; b=\xE9')
  assert.equal(headers['x-two'], '1, 2')
  assert.equal(headers.host, 'a, b')
})

for (const [answer, status, code, reason] of [
  [NOT_LOGGED_IN, 401, 4501, 'not_logged_in'],
  [rejected('ORIGIN_NOT_ALLOWED', 'Origin not allowed', { code: 4508, reason: 'origin_not_allowed' }), 403, 4508, 'origin_not_allowed'],
  [rejected('DENIED_BY_POLICY', 'Denied by policy', { code: 4504, reason: 'denied_by_policy' }), 403, 4504, 'denied_by_policy'],
  [rejected('TOO_MANY_SOCKETS', 'Too many sockets', { code: 4002, reason: 'too_many_sockets' }), 429, 4002, 'too_many_sockets'],
  [STORE_UNAVAILABLE, 503, 4000, 'store_unavailable']
]) {
  test(`${reason} is refused with HTTP status ${status}`, async t => {
    const { pass } = await gateway(t, {}, { answer })
    const { url } = await webSockets(t, pass)
    assert.deepEqual(await refusal(webSocket(t, url)), { status, body: { code, reason, message: answer.message } })
  })
}

test('without a decision it is HTTP status 503', async t => {
  logged(t)
  const { pass } = await gateway(t, {}, { answer: { code: grpc.status.INTERNAL, details: 'secret words' } })
  const { url } = await webSockets(t, pass)
  const body = { code: 4000, reason: 'service_unavailable', message: 'Authorization service unavailable' }
  assert.deepEqual(await refusal(webSocket(t, url)), { status: 503, body })
})

test('the application refuses with HTTP status 403', async t => {
  const { pass } = await gateway(t, { success: (_data, accept) => accept(new Error('not today')) })
  const { url } = await webSockets(t, pass)
  const body = { code: 4504, reason: 'denied_by_policy', message: 'not today' }
  assert.deepEqual(await refusal(webSocket(t, url)), { status: 403, body })
})

test('a hook that fails is HTTP status 503', async t => {
  logged(t)
  const { pass } = await gateway(t, { success: () => { throw new Error('a bug') } })
  const { url } = await webSockets(t, pass)
  const body = { code: 4000, reason: 'service_unavailable', message: 'Authorization failed' }
  assert.deepEqual(await refusal(webSocket(t, url)), { status: 503, body })
})

test('who comes while the gateway closes is refused with HTTP status 503', async t => {
  const { pass } = await gateway(t, { onUnavailable: 'accept' })
  const { url } = await webSockets(t, pass)
  const closing = pass.close()
  const body = { code: 4001, reason: 'gateway_draining', message: 'Gateway is shutting down' }
  assert.deepEqual(await refusal(webSocket(t, url)), { status: 503, body })
  await closing
})

test('a client that is refused and never closes its side is not kept', async t => {
  const { pass } = await gateway(t, {}, { answer: NOT_LOGGED_IN })
  const { server } = await webSockets(t, pass)
  const there = heard(server, 'connection')
  const client = connect({ port: server.address().port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => client.destroy())
  const answer = heard(client, 'data')
  client.write(UPGRADE)
  const [socket] = await there
  await heard(socket, 'close')
  assert.match(String(await answer), /^HTTP\/1\.1 401 /)
})

test('a client that does not read why it is refused is not kept', async t => {
  const { pass } = await gateway(t, {}, { answer: NOT_LOGGED_IN })
  let written
  const socket = new Duplex({ read () {}, write (bytes) { written(bytes) } })
  const saying = new Promise(resolve => { written = resolve })
  const request = { url: '/', headers: {}, rawHeaders: [], socket: {} }
  t.mock.timers.enable({ apis: ['setTimeout'] })
  pass.upgrade({})(request, socket, Buffer.alloc(0))
  await saying
  t.mock.timers.tick(4_999)
  assert.equal(socket.destroyed, false)
  t.mock.timers.tick(1)
  assert.equal(socket.destroyed, true)
})

for (const [path, namespace] of [['/%61dmin?x=%20', '/admin'], ['/caf%C3%A9', '/caf\xE9'], ['/%ff%61', '/\uFFFDa'], ['/100%', '/100%']]) {
  test(`the namespace of ${path} is ${namespace}`, async t => {
    const { pass, service } = await gateway(t)
    const { url } = await webSockets(t, pass)
    await heard(webSocket(t, `${url}${path}`), 'open')
    assert.equal(service.calls[0].request.handshake.url, path)
    assert.equal(service.calls[0].request.handshake.namespace, namespace)
    assert.deepEqual(pass.sockets.map(socket => socket.namespace), [namespace])
  })
}

test('the namespace is the path that routers find in the URL', async t => {
  const { pass, service } = await gateway(t)
  const { server } = await webSockets(t, pass)
  for (const target of ['/a/../admin', '//host/admin', 'http://host/admin?a', '/./%61dmin']) {
    const client = connect(server.address().port, '127.0.0.1')
    t.after(() => client.destroy())
    client.write(UPGRADE.replace('/chat', target))
    await heard(client, 'data')
    const { url, namespace } = service.calls.at(-1).request.handshake
    assert.deepEqual([url, namespace], [target, '/admin'])
  }
})

test('rejectAfterUpgrade closes with the code', async t => {
  const { pass, service } = await gateway(t, {}, { answer: NOT_LOGGED_IN })
  const { url } = await webSockets(t, pass, { rejectAfterUpgrade: true }, () => assert.fail('the application saw it'))
  const [code, reason] = await heard(webSocket(t, url), 'close')
  assert.deepEqual([code, String(reason)], [4501, 'not_logged_in'])
  assert.equal((await service.stream()).listed.size, 0)
})

test('a rejection that says nothing of how to close is closed all the same', async t => {
  for (const close of [{ code: 0, reason: '' }, { code: 4500, reason: 'a'.repeat(124) }]) {
    const { pass } = await gateway(t, {}, { answer: { ...NOT_LOGGED_IN, close } })
    const { url } = await webSockets(t, pass, { rejectAfterUpgrade: true })
    assert.equal((await heard(webSocket(t, url), 'close'))[0], 4000)
  }
})

test('of who is rejected after the upgrade nothing large is read', async t => {
  const { pass } = await gateway(t, {}, { answer: NOT_LOGGED_IN })
  const { server } = await webSockets(t, pass, { rejectAfterUpgrade: true })
  const there = heard(server, 'connection')
  const client = connect(server.address().port, '127.0.0.1').on('error', () => {})
  t.after(() => client.destroy())
  client.write(UPGRADE)
  const [socket] = await there
  await heard(client, 'data')
  const head = Buffer.from([0x82, 0xFF, 0, 0, 0, 0, 0x06, 0, 0, 0, 1, 2, 3, 4]) // A message of 96 MiB.
  client.write(Buffer.concat([head, Buffer.alloc(1024 * 1024)]))
  const begun = performance.now()
  await heard(socket, 'close')
  assert.ok(performance.now() - begun < 2_000)
})

test('a client that goes away while it waits leaves nothing open', async t => {
  let answer
  const { pass, service } = await gateway(t, {}, { answer: () => new Promise(resolve => { answer = resolve }) })
  const { url, server } = await webSockets(t, pass)
  const closed = new Promise(resolve => server.on('connection', socket => socket.on('close', resolve)))
  const client = webSocket(t, url)
  await heard(service, 'call')
  client.terminate()
  answer(ACCEPTED)
  await closed
  assert.deepEqual(pass.sockets, [])
})

test('an option of upgrade that is not known is an error that names it', async t => {
  const { pass } = await gateway(t)
  assert.throws(() => pass.upgrade({}, { colour: 1 }), /upgrade: colour: no such option/)
})

test('a WebSocket that closes is reported', async t => {
  const { pass, service } = await gateway(t)
  const { url } = await webSockets(t, pass)
  const socket = webSocket(t, url)
  await heard(socket, 'open')
  const stream = await (await service.stream()).until(({ listed }) => listed.size === 1)
  socket.close()
  await stream.until(({ listed }) => listed.size === 0)
})
