import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { SocketPass, authorize } from 'socketpass'
import { gateway } from './support/servers.mjs'

const wrong = {
  address: ['', 'http://localhost:50051', 'localhost', 50051, 'localhost:99999', 'localhost:0', ':50051', '::1:50051', '127.0.0.1:1,127.0.0.1:2', 'dns:', 'ipv4:10.0.0.1', 'unix:'],
  tls: [true, { ca: 1 }, { pfx: 'x' }, { cert: 'only' }, { key: 'only' }, { ca: '/does/not/exist' }, { ca: import.meta.filename }],
  token: ['', 'two words', 'line\n', 7],
  gatewayId: ['', 'a'.repeat(257), 'line\nfeed', 7],
  labels: [[], { zone: 1 }, { '': 'a' }, { zone: 'a'.repeat(257) }, Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, '']))],
  timeout: [0, -1, 1.5, '5s', 2 ** 31],
  onUnavailable: ['allow', true],
  closeAfterLoss: [0, -1, 'never'],
  success: ['yes'],
  fail: [null],
  userProperty: ['', 7],
  goodbyeOnSigterm: ['yes']
}

for (const [name, values] of Object.entries(wrong)) {
  test(`${name} is an error that names it when it cannot be`, () => {
    for (const value of values) {
      assert.throws(() => new SocketPass({ [name]: value }), error => {
        assert.ok(error instanceof TypeError)
        assert.match(error.message, new RegExp(`^socketpass: ${name}\\b`), String(value))
        return true
      })
    }
  })
}

const moved = {
  store: /session\.store/, secret: /session\.secrets/, key: /session\.cookie/, cookieParser: /nothing to set/, passport: /session\.passport_key/
}

for (const [name, where] of Object.entries(moved)) {
  test(`${name} of passport.socketio is an error that says where it belongs now`, () => {
    assert.throws(() => authorize({ [name]: undefined }), error => {
      assert.match(error.message, new RegExp(`\\b${name}: `))
      assert.match(error.message, where)
      return true
    })
  })
}

test('addresses are those of grpc-js', async () => {
  for (const address of ['a:1', '[::1]:1', 'dns:a:1', 'dns:///a:1', 'ipv4:127.0.0.1:1,127.0.0.1:2', 'ipv6:[::1]:1', 'unix:/tmp/no']) {
    await new SocketPass({ address }).close()
  }
})

test('settings that are no object are an error', () => {
  for (const settings of ['localhost:1', null, 7, []]) {
    assert.throws(() => new SocketPass(settings), { name: 'TypeError', message: 'socketpass: settings: takes an object' })
    assert.throws(() => authorize(settings), { name: 'TypeError', message: 'socketpass: settings: takes an object' })
  }
})

test('a setting that is not known is an error that names it', () => {
  assert.throws(() => new SocketPass({ colour: 'red' }), /socketpass: colour: no such setting; there are address, /)
})

test('all errors come at once', () => {
  assert.throws(() => authorize({ store: {}, colour: 1, timeout: 0 }), /store: .*colour: .*timeout: /)
})

test('without a gatewayId it is the host name and something random', async t => {
  const { service } = await gateway(t, { gatewayId: undefined, labels: { zone: 'eu' } })
  const { hello } = await service.stream()
  assert.match(hello.gatewayId.slice(hostname().length), /^-[0-9a-f]{6}$/)
  assert.ok(hello.gatewayId.startsWith(hostname()))
  assert.deepEqual(hello.labels, { zone: 'eu' })
  assert.match(hello.incarnation, /^.{1,64}$/)
})
