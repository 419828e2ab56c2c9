import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import grpc from '@grpc/grpc-js'
import { ReportRequest } from 'socketpass/stubs'
import { Scripted } from './support/scripted.mjs'
import { connected, gateway, heard, logged, socketIo, told, webSocket, webSockets } from './support/servers.mjs'

const require = createRequire(import.meta.url)
const { Log } = require('../dist/log.js')
const { OpenSockets } = require('../dist/open-sockets.js')
const { Stream } = require('../dist/stream.js')

async function served (t, settings, script) {
  const there = await gateway(t, settings, script)
  return { ...there, ...await webSockets(t, there.pass) }
}

async function open (t, url, number) {
  const sockets = Array.from({ length: number }, () => webSocket(t, url))
  await Promise.all(sockets.map(socket => heard(socket, 'open')))
  return sockets
}

const lease = milliseconds => ({ seconds: Math.floor(milliseconds / 1_000), nanos: milliseconds % 1_000 * 1e6 })

test('hello comes first, and an empty listing is complete', async t => {
  const { service } = await gateway(t, { labels: { zone: 'eu' } })
  const stream = await (await service.stream()).until(({ complete }) => complete)
  assert.equal(stream.hello.gatewayId, 'gateway-1')
  assert.deepEqual(stream.hello.labels, { zone: 'eu' })
  assert.deepEqual(stream.batches, [{ sequence: 1, events: [], complete: true }])
})

test('nothing is told before the welcome', async t => {
  const { service, url } = await served(t, {}, { welcome: false })
  await open(t, url, 1)
  const stream = await service.stream()
  assert.deepEqual(stream.batches, [])
  stream.write('welcome', { lease: lease(15_000) })
  await stream.until(({ complete, listed }) => complete && listed.size === 1)
})

test('after the stream has ended everything is listed again, at most 500 events a batch', async t => {
  logged(t)
  const { service, url } = await served(t)
  await open(t, url, 501)
  const first = await (await service.stream()).until(({ listed }) => listed.size === 501)
  first.end(grpc.status.UNAVAILABLE)
  const second = await (await service.stream(2)).until(({ complete }) => complete)
  assert.deepEqual(second.batches.map(({ events, complete }) => [events.length, complete]), [[500, false], [1, true]])
  assert.deepEqual(second.batches.map(({ sequence }) => sequence), [1, 2])
  assert.deepEqual(second.hello, first.hello)
})

for (const code of ['OK', 'ABORTED', 'ALREADY_EXISTS', 'INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED', 'UNAUTHENTICATED', 'INTERNAL', 'UNAVAILABLE']) {
  test(`the next stream is opened after ${code}`, async t => {
    const lines = logged(t)
    const { service, url } = await served(t)
    await open(t, url, 1)
    const first = await (await service.stream()).until(({ listed }) => listed.size === 1)
    const before = performance.now()
    first.end(grpc.status[code])
    const second = await (await service.stream(2)).until(({ complete }) => complete)
    const pause = performance.now() - before
    assert.equal(second.listed.size, 1)
    assert.ok(code === 'UNAVAILABLE' || pause > 90, `${code} after ${pause} ms`)
    if (code !== 'OK') assert.match(lines.join(), new RegExp(`the stream has ended: ${code}: the script says so`))
    if (code === 'ALREADY_EXISTS' || code === 'ABORTED') assert.match(lines.join(), /`gatewayId`/)
    if (code === 'UNAUTHENTICATED') assert.match(lines.join(), /`token`/)
  })
}

for (const welcome of [true, false]) {
  test(`the same end is logged once ${welcome ? 'whatever welcomes come between' : 'as long as no welcome comes'}`, async t => {
    const lines = logged(t)
    const { service } = await gateway(t, {}, { welcome })
    for (let i = 1; i <= 3; i++) {
      const stream = await service.stream(i)
      if (welcome) await stream.until(({ complete }) => complete)
      stream.end(grpc.status.ALREADY_EXISTS)
    }
    await service.stream(4)
    assert.equal(lines.length, 1)
  })
}

test('causes are logged at most once a minute, whatever comes between', t => {
  const lines = logged(t)
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const log = new Log()
  for (now = 0; now < 120_000; now += 1_000) {
    log.say('report', 'one', `one at ${now}`)
    if (now % 2_000 === 0) log.say('report', 'other', `other at ${now}`)
  }
  assert.deepEqual(lines, ['one at 0', 'other at 0', 'one at 60000', 'other at 60000'].map(line => `socketpass: ${line}`))
})

test('that the stream is open is logged, with the name of the gateway', async t => {
  const lines = []
  t.mock.method(console, 'error', line => lines.push(line))
  const { service } = await gateway(t)
  await (await service.stream()).until(({ complete }) => complete)
  assert.deepEqual(lines, ['socketpass: the stream to the registry is open, for the gateway gateway-1'])
})

for (const code of ['RESOURCE_EXHAUSTED', 'INVALID_ARGUMENT', 'INTERNAL']) {
  test(`the log names no setting for ${code}`, async t => {
    const lines = logged(t)
    const { service } = await gateway(t, {}, { welcome: false })
    ;(await service.stream()).end(grpc.status[code])
    await service.stream(2)
    assert.deepEqual(lines, [`socketpass: the stream has ended: ${code}: the script says so`])
  })
}

test('a batch comes every quarter of the lease when nothing happens', async t => {
  const { service } = await gateway(t, {}, { lease: lease(400) })
  const stream = await (await service.stream()).until(({ complete }) => complete)
  const before = performance.now()
  await stream.until(({ batches }) => batches.length === 5)
  const each = (performance.now() - before) / 4
  assert.ok(each > 80 && each < 200, `every ${each} ms`)
})

test('at most sixteen batches are under way', async t => {
  const { service, pass, url } = await served(t, {}, { ack: false })
  const [socket] = await open(t, url, 1)
  const stream = await service.stream()
  const [{ socket: there }] = pass.sockets
  // Each change goes into a batch of its own as soon as the one before has come.
  for (let i = 1; i < 16; i++) {
    await stream.until(({ batches }) => batches.length >= i)
    pass.data(there, { i })
  }
  await stream.until(({ batches }) => batches.length === 16)
  pass.data(there, { last: true })
  const closed = heard(there, 'close')
  socket.close()
  await closed
  assert.equal(stream.batches.length, 16)
  stream.write('ack', { sequence: 16, rejected: [] })
  await stream.until(({ batches }) => batches.length === 17)
  assert.deepEqual(stream.batches[16].events.map(({ event }) => event.$case), ['closed'])
})

test('a socket that opens and closes in between is not told at all', async t => {
  const { service, pass, url } = await served(t, {}, { welcome: false })
  const stream = await service.stream()
  const [socket] = await open(t, url, 1)
  const closed = heard(pass.sockets[0].socket, 'close')
  socket.close()
  await closed
  stream.write('welcome', { lease: lease(15_000) })
  await stream.until(({ complete }) => complete)
  assert.deepEqual(stream.batches.flatMap(({ events }) => events), [])
})

test('large users are spread over batches', async t => {
  const large = { id: 1, logged_in: true, text: 'a'.repeat(60_000) }
  const { service, url } = await served(t)
  service.answer = { ...service.answer, user: large }
  await open(t, url, 40)
  const first = await (await service.stream()).until(({ listed }) => listed.size === 40)
  first.end(grpc.status.UNAVAILABLE)
  const second = await (await service.stream(2)).until(({ complete }) => complete)
  assert.equal(second.listed.size, 40)
  assert.ok(second.batches.length >= 3)
})

test('what the service would not take of a socket is left out, and logged', async t => {
  const lines = logged(t)
  const { service, url } = await served(t)
  service.answer = { ...service.answer, user: { logged_in: true, text: 'a'.repeat(70_000) }, sessionId: 'a'.repeat(1_025) }
  await open(t, url, 1)
  const { listed } = await (await service.stream()).until(({ listed }) => listed.size === 1)
  const [{ user, sessionId, namespace }] = listed.values()
  assert.deepEqual([user, sessionId, namespace], [undefined, '', '/'])
  assert.match(lines.join('\n'), /is listed without session_id: it is too large\n.* is listed without user: it is too large/)
})

test('a batch is cut before it is larger than a MiB', async t => {
  const { service, url } = await served(t, {}, { welcome: false })
  service.answer = { ...service.answer, user: { logged_in: true, text: 'a'.repeat(65_000) } }
  await open(t, url, 40)
  const stream = await service.stream()
  stream.write('welcome', { lease: lease(15_000) })
  await stream.until(({ listed }) => listed.size === 40)
  assert.deepEqual(stream.batches.map(({ events }) => events.length), [16, 16, 8])
})

test('a listing that is not taken is not told again and again without a pause', async t => {
  logged(t)
  const { service } = await gateway(t, {}, { ack: false })
  const before = performance.now()
  for (let i = 1; i <= 4; i++) {
    const stream = await (await service.stream(i)).until(({ complete }) => complete)
    stream.end(grpc.status.RESOURCE_EXHAUSTED)
  }
  await service.stream(5)
  // Half of 200, 400, 800 and 1600 ms.
  assert.ok(performance.now() - before > 1_500)
})

test('a stream without acks is given up after half a lease', async t => {
  const lines = logged(t)
  const { service } = await gateway(t, {}, { ack: false, lease: lease(400) })
  const stream = await service.stream()
  await heard(stream, 'ended')
  await service.stream(2)
  assert.match(lines.join(), /DEADLINE_EXCEEDED: no ack came for half a lease/)
})

test('a field that could not be taken is logged once', async t => {
  const lines = logged(t)
  const { service } = await gateway(t, {}, { lease: lease(100), rejected: [{ socketId: 'a', field: 'user', message: 'too deep' }] })
  await (await service.stream()).until(({ batches }) => batches.length > 3)
  assert.deepEqual(lines, ['socketpass: socket a is listed without user: too deep'])
})

test('the registry is whole again after the service was away', async t => {
  logged(t)
  const { service, url, pass } = await served(t)
  await open(t, url, 1)
  await (await service.stream()).until(({ listed }) => listed.size === 1)
  service.stop()
  const back = await Scripted.start({ port: service.port })
  t.after(() => back.stop())
  await (await back.stream()).until(({ complete, listed }) => complete && listed.size === 1)
  assert.equal(pass.sockets.length, 1)
  await open(t, url, 1)
})

test('without closeAfterLoss sockets stay, with it they are closed', async t => {
  logged(t)
  const { service, url } = await served(t, { closeAfterLoss: 100 })
  const [socket] = await open(t, url, 1)
  await (await service.stream()).until(({ listed }) => listed.size === 1)
  const closed = heard(socket, 'close')
  service.welcome = false
  const before = performance.now()
  ;(await service.stream()).end(grpc.status.UNAVAILABLE)
  const [code, reason] = await closed
  assert.deepEqual([code, String(reason)], [4000, 'service_unavailable'])
  assert.ok(performance.now() - before > 90)
  // One that opens without a stream has its time, too.
  const [later] = await open(t, url, 1)
  assert.equal((await heard(later, 'close'))[0], 4000)
})

test('closeAfterLoss over Socket.IO says why first', async t => {
  logged(t)
  const { pass } = await gateway(t, { closeAfterLoss: 100 }, { welcome: false })
  const { url } = await socketIo(t, pass.authorize())
  const socket = await connected(t, url)
  const gone = told(socket, 'disconnect')
  assert.deepEqual((await told(socket, 'socketpass:close'))[0], { code: 4000, reason: 'service_unavailable' })
  await gone
})

test('close tells every socket, says goodbye, and lets nobody in any more', async t => {
  const { service, pass, url } = await served(t)
  const [socket] = await open(t, url, 1)
  const stream = await (await service.stream()).until(({ listed }) => listed.size === 1)
  const closed = heard(socket, 'close')
  await Promise.all([pass.close(), pass.close()])
  assert.equal(stream.goodbye, true)
  const [code, reason] = await closed
  assert.deepEqual([code, String(reason)], [4001, 'gateway_draining'])
  const [, response] = await once(webSocket(t, url), 'unexpected-response')
  assert.equal(response.statusCode, 503)
  assert.deepEqual(pass.sockets, [])
})

test('nothing is told after the goodbye', async () => {
  const said = []
  const call = Object.assign(new EventEmitter(), {
    write: bytes => said.push(ReportRequest.decode(bytes).message.$case), end: () => said.push('end'), cancel () {}
  })
  const sockets = new OpenSockets()
  const obey = () => assert.fail('a command was carried out')
  const stream = new Stream(call, { hello: { gatewayId: 'a', incarnation: 'b', labels: {} }, number: 1, sockets, obey, welcomed () {} })
  call.emit('data', { message: { $case: 'welcome', value: { lease: lease(80) } } })
  await sleep(50)
  stream.changed({ socketId: 'gone' })
  stream.goodbye()
  stream.changed({ socketId: 'gone' })
  call.emit('data', { message: { $case: 'ack', value: { sequence: 1, rejected: [] } } })
  call.emit('data', { message: { $case: 'command', value: { commandId: 'late' } } })
  await sleep(100)
  assert.deepEqual(said.slice(said.indexOf('goodbye')), ['goodbye', 'end'])
})

test('close does not wait for a service that is not there', async t => {
  logged(t)
  const { service, pass } = await gateway(t)
  await service.stream()
  service.stop()
  const before = performance.now()
  await pass.close()
  assert.ok(performance.now() - before < 2_000)
})
