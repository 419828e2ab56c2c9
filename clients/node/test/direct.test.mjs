// The connection for Authorize alone, against Node's own HTTP/2.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import { connect, createServer } from 'node:net'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { SocketPass } from 'socketpass'
import { Scripted } from './support/scripted.mjs'
import { connected, gateway, heard, socketIo } from './support/servers.mjs'

const require = createRequire(import.meta.url)
const { Connection } = require('../dist/direct/connection.js')
const hpack = require('../dist/direct/hpack.js')
const huffman = require('../dist/direct/huffman.js')
const { authorizeRequest } = require('../dist/messages.js')
const { AuthorizeRequest } = require('../dist/stubs.js')

const NOTHING = Buffer.alloc(0)
const hex = text => Buffer.from(text, 'hex')

// --- Headers --------------------------------------------------------------------------------------------------------

test('Huffman codes are those of RFC 7541', () => {
  const examples = {
    'www.example.com': 'f1e3c2e5f23a6ba0ab90f4ff',
    'no-cache': 'a8eb10649cbf',
    private: 'aec3771a4b',
    'Mon, 21 Oct 2013 20:13:21 GMT': 'd07abe941054d444a8200595040b8166e082a62d1bff',
    'https://www.example.com': '9d29ad171863c78f0b97c8e9ae82ae43d3'
  }
  for (const [text, bytes] of Object.entries(examples)) assert.equal(huffman.decode(hex(bytes)), text)
  assert.equal(huffman.decode(hex('ffffffff')), undefined) // The end of the string within it.
  assert.equal(huffman.decode(hex('06')), undefined) // Wrong padding.
})

test('blocks of headers are read', () => {
  // A size update, an indexed field, a literal with a name of the table, one with its own, one that is not to be indexed.
  const own = hpack.literal('grpc-status', '0')
  const block = Buffer.concat([hex('2088'), hex('0803353033'), own, hpack.literal('secret', 'a'.repeat(300), true)])
  const headers = hpack.decode(block)
  assert.deepEqual([...headers], [[':status', '503'], ['grpc-status', '0'], ['secret', 'a'.repeat(300)]])
})

test('a block that is none, or uses the dynamic table, is not read', () => {
  for (const block of ['be', '80', '7f', '3f01', '00', '000161', '0001', '0081ff0161', 'ffffffffffffffffff']) {
    assert.equal(hpack.decode(hex(block)), undefined, block)
  }
  for (let i = 0; i < 2_000; i++) hpack.decode(randomBytes(1 + i % 40)) // Throws nothing.
})

// --- Messages -------------------------------------------------------------------------------------------------------

test('a handshake is encoded as the generated function would', () => {
  const handshake = {
    headers: { host: 'a', cookie: 'x'.repeat(20_000), 'x-empty': '', 'x-latin': '\xE9\xFF', 'x-127': 'a'.repeat(121), 'x-128': '\xE9'.repeat(64) },
    url: '/socket.io/?EIO=4',
    auth: { session_id: 's:1', list: [1, null, { deep: true }] },
    remoteAddress: '127.0.0.1',
    xdomain: true,
    namespace: '/chat'
  }
  const empty = { headers: {}, url: '', auth: undefined, remoteAddress: '', xdomain: false, namespace: '' }
  for (const one of [handshake, empty, { ...handshake, auth: {} }]) {
    assert.deepEqual(AuthorizeRequest.decode(authorizeRequest(one, 'gateway-1')), { handshake: one, gatewayId: 'gateway-1' })
  }
})

// --- Connections ----------------------------------------------------------------------------------------------------

/** An HTTP/2 server that answers as `answer` does, and a connection to it. */
async function connection (t, answer, options = {}) {
  const server = http2.createServer(options)
  const sessions = []
  server.on('session', session => sessions.push(session))
  server.on('stream', (stream, headers) => {
    const chunks = []
    stream.on('data', chunk => chunks.push(chunk))
    stream.on('error', () => {})
    stream.on('end', () => answer(stream, headers, Buffer.concat(chunks)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const ended = deferred()
  const opened = deferred()
  const socket = connect(server.address().port, '127.0.0.1')
  t.after(() => socket.destroy())
  const made = new Connection(socket, 'connect', '/service/Method', 'authority:1', { opened: opened.resolve, ended: ended.resolve })
  await opened.promise
  const ask = (message = 'hello', within = 5_000) => made.unary(Buffer.from(message), NOTHING, Date.now() + within)
  return { connection: made, ask, session: sessions[0], ended: ended.promise, server }
}

function deferred () {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}

/** A message as gRPC has them. */
function framed (bytes) {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

function reply (stream, bytes, trailers = { 'grpc-status': '0' }) {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(framed(bytes))
}

const echo = (stream, _headers, message) => reply(stream, message.subarray(5))

test('a call is made as gRPC has it', async t => {
  let seen
  const { ask } = await connection(t, (stream, headers, message) => {
    seen = { headers, message }
    echo(stream, headers, message)
  })
  assert.equal(String(await ask('hello')), 'hello')
  const { ':method': method, ':path': path, ':authority': authority, te, 'content-type': type, 'grpc-timeout': timeout } = seen.headers
  assert.deepEqual([method, path, authority, te, type], ['POST', '/service/Method', 'authority:1', 'trailers', 'application/grpc'])
  assert.match(timeout, /^(4\d{3}|5000)m$/)
  assert.deepEqual(seen.message, framed(Buffer.from('hello')))
})

test('metadata goes along', async t => {
  let seen
  const { connection: made } = await connection(t, (stream, headers, message) => {
    seen = headers
    echo(stream, headers, message)
  })
  await made.unary(NOTHING, Buffer.concat([hpack.literal('authorization', 'Bearer a', true), hpack.literal('traceparent', '00')]), Date.now() + 5_000)
  assert.deepEqual([seen.authorization, seen.traceparent], ['Bearer a', '00'])
})

test('many calls at once, each with its own answer', async t => {
  const { ask } = await connection(t, echo)
  const asked = Array.from({ length: 50 }, (_, i) => `message ${i}`)
  assert.deepEqual((await Promise.all(asked.map(message => ask(message)))).map(String), asked)
})

test('answers of many frames, and more than the windows of a connection', async t => {
  const large = randomBytes(3 * 1024 * 1024)
  const { ask } = await connection(t, stream => reply(stream, large))
  for (let i = 0; i < 8; i++) assert.ok(large.equals(await ask()))
})

test('requests that use the window of a connection up are not taken until it is given back', async t => {
  const { connection: made, ask } = await connection(t, echo)
  const message = 'a'.repeat(16_000)
  const asked = []
  while (made.takes(message.length)) asked.push(ask(message))
  assert.ok(asked.length >= 4)
  await Promise.all(asked)
  while (!made.takes(message.length)) await new Promise(resolve => setImmediate(resolve))
  assert.equal(String(await ask(message)), message)
  assert.equal(made.takes(20_000), false)
})

test('what a faulty server sends without end is not kept', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write(hex('000000040000000000')) // SETTINGS,
    const data = Buffer.concat([hex('004000000000000001'), Buffer.alloc(16_384)])
    for (let i = 0; i < 257; i++) socket.write(data) // and more than four MiB without looking at windows.
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const [opened, ended] = [deferred(), deferred()]
  const socket = connect(server.address().port, '127.0.0.1')
  const made = new Connection(socket, 'connect', '/a', 'b', { opened: opened.resolve, ended: ended.resolve })
  await once(socket, 'connect')
  const asked = made.unary(NOTHING, NOTHING, Date.now() + 5_000)
  await assert.rejects(asked, { code: grpc.status.UNAVAILABLE, details: 'an answer is too large' })
  await ended.promise
})

test('metadata that is too large is not taken', async t => {
  const { connection: made } = await connection(t, echo)
  assert.equal(made.takes(1, 16_000), true)
  assert.equal(made.takes(1, 16_384), false)
})

test('padding is taken off', async t => {
  const { ask } = await connection(t, echo, { paddingStrategy: http2.constants.PADDING_STRATEGY_MAX })
  assert.equal(String(await ask('hello')), 'hello')
})

for (const [what, answer, code, details] of [
  ['a status without a message', stream => stream.respond({ ':status': 200, 'grpc-status': '16', 'grpc-message': 'no%20token%20%C3%A9' }, { endStream: true }), 'UNAUTHENTICATED', 'no token \xE9'],
  ['a status after a message', stream => reply(stream, Buffer.from('a'), { 'grpc-status': '13', 'grpc-message': '100%' }), 'INTERNAL', '100%'],
  ['an empty status', stream => reply(stream, Buffer.from('a'), { 'grpc-status': '' }), 'UNKNOWN', ''],
  ['a status that is none', stream => reply(stream, Buffer.from('a'), { 'grpc-status': '99' }), 'UNKNOWN', ''],
  ['a proxy that has no server', stream => { stream.respond({ ':status': 503 }); stream.end('sorry') }, 'UNAVAILABLE', 'HTTP status 503 without a gRPC status'],
  ['something that is no gRPC server', stream => stream.respond({ ':status': 404 }, { endStream: true }), 'UNIMPLEMENTED', 'HTTP status 404 without a gRPC status'],
  ['an answer without a message', stream => { stream.respond({ ':status': 200 }, { waitForTrailers: true }); stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' })); stream.end() }, 'INTERNAL', 'the answer has no message'],
  ['a refused stream', stream => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM), 'UNAVAILABLE', 'the call was reset: 7'],
  ['a reset stream', stream => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR), 'INTERNAL', 'the call was reset: 2']
]) {
  test(`${what} is ${code}`, async t => {
    const { ask } = await connection(t, answer)
    await assert.rejects(ask(), { code: grpc.status[code], details })
    await assert.rejects(ask(), { code: grpc.status[code], details }) // The connection goes on.
  })
}

test('a call ends at its deadline, and the connection goes on', async t => {
  const streams = []
  const { ask } = await connection(t, (stream, headers, message) => streams.push(stream) > 1 && echo(stream, headers, message))
  await assert.rejects(ask('hello', 50), { code: grpc.status.DEADLINE_EXCEEDED })
  if (!streams[0].closed) await heard(streams[0], 'close')
  assert.equal(streams[0].rstCode, http2.constants.NGHTTP2_CANCEL)
  assert.equal(String(await ask('again')), 'again')
})

test('a replica that goes answers what it has begun, and is asked nothing more', async t => {
  const waiting = []
  const { connection: made, ask, session, ended } = await connection(t, (stream, headers, message) => waiting.push(() => echo(stream, headers, message)))
  const asked = ask('begun')
  while (waiting.length === 0) await new Promise(resolve => setImmediate(resolve))
  session.close() // GOAWAY
  await ended
  assert.equal(made.takes(1), false)
  waiting[0]()
  assert.equal(String(await asked), 'begun')
})

test('a connection that breaks ends its calls with UNAVAILABLE', async t => {
  const { ask, session, ended } = await connection(t, () => session.destroy())
  await assert.rejects(ask(), { code: grpc.status.UNAVAILABLE })
  await ended
})

test('no more calls at once than the other wants', async t => {
  const { connection: made, ask } = await connection(t, echo, { settings: { maxConcurrentStreams: 2 } })
  const asked = [ask(), ask()]
  assert.equal(made.takes(1), false)
  await Promise.all(asked)
  assert.equal(made.takes(1), true)
})

test('what is no HTTP/2 ends the connection and nothing else', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.end(Buffer.concat([hex('000000040000000000'), randomBytes(2_000)]))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  for (let i = 0; i < 50; i++) {
    await new Promise(resolve => {
      const socket = connect(server.address().port, '127.0.0.1')
      new Connection(socket, 'connect', '/a', 'b', { opened () {}, ended () {} })
      socket.on('close', resolve)
    })
  }
})

test('a peer that hangs is found by its missing answer to a ping', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pinged = deferred()
  const server = createServer(socket => {
    socket.write(hex('000000040000000000')) // SETTINGS, and nothing more.
    let heard = NOTHING
    socket.on('data', bytes => {
      heard = Buffer.concat([heard, bytes])
      if (heard.includes(hex('000008060000000000'))) pinged.resolve()
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const [opened, ended] = [deferred(), deferred()]
  const socket = connect(server.address().port, '127.0.0.1')
  const made = new Connection(socket, 'connect', '/a', 'b', { opened: opened.resolve, ended: ended.resolve })
  await opened.promise
  const asked = assert.rejects(made.unary(NOTHING, NOTHING, Date.now() + 60_000), { code: grpc.status.UNAVAILABLE, details: 'a ping was not answered' })
  t.mock.timers.tick(10_000)
  await pinged.promise
  t.mock.timers.tick(5_000)
  await ended.promise
  await asked
})

// --- Connections that come to nothing ---------------------------------------------------------------------------------

test('a peer that takes the connection and says nothing is given up', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const server = createServer(socket => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const ended = deferred()
  const socket = connect(server.address().port, '127.0.0.1')
  const failed = heard(socket, 'error')
  new Connection(socket, 'connect', '/a', 'b', { opened: assert.fail, ended: ended.resolve })
  await heard(socket, 'connect')
  t.mock.timers.tick(5_000)
  await ended.promise
  assert.equal((await failed)[0].message, 'the service said nothing for 5000 ms')
})

/** Takes connections as long as it is `silent`, and nothing comes of them; later ones reach the service. */
async function swallower (t, service) {
  const there = { silent: true, taken: [] }
  const server = createServer(socket => {
    socket.on('error', () => {})
    there.taken.push(socket)
    if (there.silent) return
    const beyond = connect(service.port, '127.0.0.1').on('error', () => {})
    socket.pipe(beyond).pipe(socket)
    socket.on('close', () => beyond.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of there.taken) socket.destroy()
    server.close()
  })
  return Object.assign(there, { address: `127.0.0.1:${server.address().port}` })
}

test('a connection on which nothing is said is given up, and the service found once it speaks', async t => {
  const service = await Scripted.start()
  const between = await swallower(t, service)
  const pass = new SocketPass({ address: between.address })
  t.after(async () => {
    service.stop()
    await pass.close()
  })
  const { url } = await socketIo(t, pass.authorize())
  while (between.taken.length < 2) await new Promise(resolve => setImmediate(resolve))
  between.silent = false
  assert.equal(between.taken.length, 2) // One of each kind.
  await Promise.all(between.taken.map(socket => heard(socket.resume(), 'close')))
  await service.stream()
  const direct = ({ metadata }) => metadata.get('user-agent').length === 0
  do await connected(t, url)
  while (!direct(service.calls.at(-1)))
})

// --- Beside grpc-js -------------------------------------------------------------------------------------------------

test('handshakes go over it once it is there, and what it does not take over grpc-js', async t => {
  const { pass, service } = await gateway(t)
  const { url } = await socketIo(t, pass.authorize(), () => {}, { maxHttpBufferSize: 1e6 })
  const byGrpcJs = ({ metadata }) => metadata.get('user-agent').length > 0
  do await connected(t, url)
  while (byGrpcJs(service.calls.at(-1)))
  const auth = { text: 'a'.repeat(30_000) }
  await connected(t, url, { auth })
  assert.equal(byGrpcJs(service.calls.at(-1)), true)
  assert.deepEqual(service.calls.at(-1).request.handshake.auth, auth)
})
