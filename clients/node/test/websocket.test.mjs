import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { ACCEPTED, ANA, NOT_LOGGED_IN, STORE_UNAVAILABLE, rejected } from './support/scripted.mjs'
import { gateway, heard, logged, webSocket, webSockets } from './support/servers.mjs'

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

test('rejectAfterUpgrade closes with the code', async t => {
  const { pass, service } = await gateway(t, {}, { answer: NOT_LOGGED_IN })
  const { url } = await webSockets(t, pass, { rejectAfterUpgrade: true }, () => assert.fail('the application saw it'))
  const [code, reason] = await heard(webSocket(t, url), 'close')
  assert.deepEqual([code, String(reason)], [4501, 'not_logged_in'])
  assert.equal((await service.stream()).listed.size, 0)
})

test('a rejection that says nothing of how to close is closed all the same', async t => {
  const { pass } = await gateway(t, {}, { answer: { ...NOT_LOGGED_IN, close: { code: 0, reason: '' } } })
  const { url } = await webSockets(t, pass, { rejectAfterUpgrade: true })
  assert.equal((await heard(webSocket(t, url), 'close'))[0], 4504)
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
