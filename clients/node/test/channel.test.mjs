import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { SocketPass } from 'socketpass'
import { Scripted } from './support/scripted.mjs'
import { gateway, heard, logged, webSocket, webSockets } from './support/servers.mjs'

/** Whether somebody comes in. */
async function comesIn (t, pass) {
  const { url } = await webSockets(t, pass)
  const socket = webSocket(t, url)
  return await Promise.race([heard(socket, 'open').then(() => true), heard(socket, 'unexpected-response').then(() => false)])
}

// --- Tokens ---------------------------------------------------------------------------------------------------------

const authorization = ({ metadata }) => metadata.get('authorization')

test('a token goes with every call and with the stream', async t => {
  const { pass, service } = await gateway(t, { token: 'sp_secret' })
  assert.ok(await comesIn(t, pass))
  assert.deepEqual(authorization(service.calls[0]), ['Bearer sp_secret'])
  assert.deepEqual(authorization(await service.stream()), ['Bearer sp_secret'])
})

test('a function is asked for the token of every call', async t => {
  let number = 0
  const { pass, service } = await gateway(t, { token: async () => `token-${++number}` })
  await service.stream()
  await comesIn(t, pass)
  await comesIn(t, pass)
  assert.deepEqual(service.calls.map(authorization), [['Bearer token-2'], ['Bearer token-3']])
})

for (const [what, token] of [['throws', () => { throw new Error('no vault') }], ['gives nothing', () => undefined]]) {
  test(`a function that ${what} rejects, whatever onUnavailable says, and is logged`, async t => {
    const lines = logged(t)
    const { pass } = await gateway(t, { token, onUnavailable: 'accept' })
    assert.equal(await comesIn(t, pass), false)
    assert.match(lines.join(), /UNAUTHENTICATED: the function (failed: no vault|gave no token); look at `token`/)
  })
}

test('a function that gives none in time lets nobody in', async t => {
  const lines = logged(t)
  const { pass } = await gateway(t, { token: () => new Promise(() => {}), timeout: 100 })
  assert.equal(await comesIn(t, pass), false)
  assert.match(lines.join(), /DEADLINE_EXCEEDED: `token` gave none in time/)
})

test('without a token none is sent', async t => {
  const { pass, service } = await gateway(t)
  await comesIn(t, pass)
  assert.deepEqual(authorization(service.calls[0]), [])
})

// --- Tracing --------------------------------------------------------------------------------------------------------

test('the current OpenTelemetry context goes along', async t => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  t.after(() => {
    context.disable()
    propagation.disable()
  })
  const { pass, service } = await gateway(t)
  const { server, webSocketServer, url } = await webSockets(t, pass)
  const upgrade = pass.upgrade(webSocketServer)
  const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }
  server.removeAllListeners('upgrade')
  server.on('upgrade', (...args) => context.with(trace.setSpanContext(context.active(), span), () => upgrade(...args)))
  await heard(webSocket(t, url), 'open')
  assert.deepEqual(service.calls[0].metadata.get('traceparent'), [`00-${span.traceId}-${span.spanId}-01`])
})

for (const [what, fields, sent] of [
  ['names and values that are none of metadata', { traceparent: '00', 'bag!gage': 'a', baggage: 'a=\n', 'baggage-bin': 'a' }, ['traceparent']],
  ['more than 8 KiB', { traceparent: '00', baggage: 'a'.repeat(8_192) }, []]
]) {
  test(`${what} of a trace are left out`, async t => {
    propagation.setGlobalPropagator({
      fields: () => [],
      extract: context => context,
      inject (_context, carrier, { set }) {
        for (const [name, value] of Object.entries(fields)) set(carrier, name, value)
      }
    })
    t.after(() => propagation.disable())
    const { pass, service } = await gateway(t)
    assert.ok(await comesIn(t, pass))
    const metadata = service.calls[0].metadata.getMap()
    assert.deepEqual(Object.keys(fields).filter(name => name in metadata), sent)
  })
}

test('without a propagator nothing is sent', async t => {
  const { pass, service } = await gateway(t)
  await comesIn(t, pass)
  assert.deepEqual(service.calls[0].metadata.get('traceparent'), [])
})

// --- TLS ------------------------------------------------------------------------------------------------------------

const directory = mkdtempSync(join(tmpdir(), 'socketpass-tls-'))
const file = name => join(directory, name)

function openssl (...args) {
  execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' })
}

/** An authority, a server that is 127.0.0.1, and a client; and an authority that nobody knows. */
test.before(() => {
  for (const authority of ['ca', 'stranger']) {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${authority}`, '-keyout', `${authority}.key`, '-out', `${authority}.crt`)
  }
  for (const [name, subject] of [['server', 'IP:127.0.0.1'], ['client', 'DNS:chat.gateways.example']]) {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
      '-addext', `subjectAltName=${subject}`, '-addext', 'basicConstraints=critical,CA:FALSE',
      '-CA', 'ca.crt', '-CAkey', 'ca.key', '-keyout', `${name}.key`, '-out', `${name}.crt`)
  }
})
test.after(() => rmSync(directory, { recursive: true, force: true }))

function serverCredentials (wantsClient) {
  const pair = { private_key: readFileSync(file('server.key')), cert_chain: readFileSync(file('server.crt')) }
  return grpc.ServerCredentials.createSsl(wantsClient ? readFileSync(file('ca.crt')) : null, [pair], wantsClient)
}

test('TLS with an authority of its own', async t => {
  const { pass, service } = await gateway(t, { tls: { ca: file('ca.crt') } }, { credentials: serverCredentials(false) })
  assert.ok(await comesIn(t, pass))
  await service.stream()
})

test('TLS to a server that another authority signed lets nobody in', async t => {
  logged(t)
  const settings = { tls: { ca: file('stranger.crt') }, timeout: 1_000 }
  const { pass } = await gateway(t, settings, { credentials: serverCredentials(false) })
  assert.equal(await comesIn(t, pass), false)
})

test('mTLS brings the client certificate', async t => {
  const tls = { ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') }
  const { pass, service } = await gateway(t, { tls }, { credentials: serverCredentials(true) })
  assert.ok(await comesIn(t, pass))
  await service.stream()
})

test('mTLS without a client certificate lets nobody in', async t => {
  logged(t)
  const settings = { tls: { ca: file('ca.crt') }, timeout: 1_000 }
  const { pass } = await gateway(t, settings, { credentials: serverCredentials(true) })
  assert.equal(await comesIn(t, pass), false)
})

test('a key that is none of its certificate is an error that names tls', () => {
  const tls = { cert: file('client.crt'), key: file('server.key') }
  assert.throws(() => new SocketPass({ tls }), /^TypeError: socketpass: tls/)
})

// --- Several replicas ------------------------------------------------------------------------------------------------

async function ask (url, t) {
  const socket = webSocket(t, url)
  return await Promise.race([heard(socket, 'open').then(() => true), heard(socket, 'unexpected-response').then(() => false)])
}

test('calls go round all addresses, and one that goes loses no handshake', async t => {
  logged(t)
  const replicas = [await Scripted.start(), await Scripted.start()]
  const pass = new SocketPass({ address: `ipv4:${replicas.map(({ address }) => address)}` })
  t.after(async () => {
    for (const replica of replicas) replica.stop()
    await pass.close()
  })
  const { url } = await webSockets(t, pass)
  // Until both connections are there the first one is asked alone.
  for (let i = 0; i < 50 && replicas.some(({ calls }) => calls.length === 0); i++) assert.ok(await ask(url, t))
  const before = replicas.map(({ calls }) => calls.length)
  for (let i = 0; i < 20; i++) assert.ok(await ask(url, t))
  assert.deepEqual(replicas.map(({ calls }, i) => calls.length - before[i]), [10, 10])
  const asked = Array.from({ length: 20 }, () => ask(url, t))
  replicas[0].stop()
  assert.ok((await Promise.all(asked)).every(Boolean))
  assert.ok(await ask(url, t))
  // The stream has moved, if it was there.
  const [, second] = replicas
  await second.stream()
})

test('a service that comes back is found again', async t => {
  logged(t)
  const { pass, service } = await gateway(t, { timeout: 300 })
  const { url } = await webSockets(t, pass)
  assert.ok(await ask(url, t))
  service.stop()
  assert.equal(await ask(url, t), false)
  const back = await Scripted.start({ port: service.port })
  t.after(() => back.stop())
  await back.stream()
  assert.ok(await ask(url, t))
})
