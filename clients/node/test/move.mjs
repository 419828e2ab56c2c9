// What passport.socketio's README and tests say it does, on Socket.IO 4 with Express, Passport and connect-redis: of the
// original where it still does so, and of this client with a real socketpass (SOCKETPASS_BIN).
//
// Where the original does otherwise on today's packages, its own test says what it does instead.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { authorize } from 'socketpass'
import { COOKIE, signed, ways, webApp } from './support/web-app.mjs'
import { redisServer, socketpass, stopAll } from './support/processes.mjs'
import { browser, connected, refused, told } from './support/servers.mjs'

const there = {}

before(async () => {
  const redis = await redisServer()
  there.redisUrl = redis.url
  const { address } = await socketpass({
    environment: { SOCKETPASS_SESSION_STORE: redis.url, SOCKETPASS_SESSION_COOKIE: COOKIE }
  })
  there.address = address
})
after(stopAll)

/**
 * A behaviour of both. `original` is what the original does instead, `{ says, does }`; without `does` it cannot be shown here.
 */
function behaviour (name, does, original) {
  test(`socketpass: ${name}`, t => does(t, options => webApp(t, ways.socketpass, there, options)))
  const skip = original !== undefined && original.does === undefined ? original.says : false
  test(`passport.socketio: ${original === undefined ? name : `instead of "${name}": ${original.says}`}`, { skip }, t => {
    return (original?.does ?? does)(t, options => webApp(t, ways['passport.socketio'], there, options))
  })
}

const as = cookie => ({ headers: { cookie } })

/** A server that lets its clients ask who they are. */
function answers (io, property = 'user') {
  io.on('connection', socket => socket.on('whoami', answer => answer(socket.request[property])))
}

/** Whether the client is in, now that everything which was under way has arrived. */
async function isIn (socket) {
  await new Promise(resolve => setTimeout(resolve, 300))
  return socket.connected
}

describe('who is logged in', () => {
  behaviour('somebody who has logged in with Passport connects', async (t, start) => {
    const app = await start()
    await connected(t, app.url, as(await app.logIn('jose')))
  })

  behaviour('over long polling, too', async (t, start) => {
    const app = await start()
    await connected(t, app.url, { ...as(await app.logIn('jose')), transports: ['polling'] })
  })

  behaviour('request.user has all that Passport knows, and logged_in', async (t, start) => {
    const app = await start()
    answers(app.io)
    const socket = await connected(t, app.url, as(await app.logIn('jose')))
    const user = await socket.emitWithAck('whoami')
    assert.deepEqual(user, { name: 'jose', mail: 'jose@example.org', gender: 'male', logged_in: true })
  })

  behaviour('userProperty names another place for it', async (t, start) => {
    const app = await start({ userProperty: 'account' })
    answers(app.io, 'account')
    const socket = await connected(t, app.url, as(await app.logIn('jose')))
    assert.equal((await socket.emitWithAck('whoami')).name, 'jose')
  })

  behaviour('request.sessionID is the session', async (t, start) => {
    const app = await start()
    answers(app.io, 'sessionID')
    const { id, cookie } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
    assert.equal(await (await connected(t, app.url, as(cookie))).emitWithAck('whoami'), id)
  })
})

describe('what is otherwise', () => {
  behaviour('a user that is a text is an object with an id', async (t, start) => {
    const app = await start()
    answers(app.io)
    const { cookie } = await app.sessionOf('{"cookie":{},"passport":{"user":"u1"}}')
    assert.deepEqual(await (await connected(t, app.url, as(cookie))).emitWithAck('whoami'), { id: 'u1', logged_in: true })
  }, {
    says: 'it is the text, and nothing says that somebody is logged in',
    async does (t, start) {
      const app = await start()
      answers(app.io)
      const { cookie } = await app.sessionOf('{"cookie":{},"passport":{"user":"u1"}}')
      assert.equal(await (await connected(t, app.url, as(cookie))).emitWithAck('whoami'), 'u1')
    }
  })

  behaviour('the cookies are not parsed', async (t, start) => {
    const app = await start({ success: (data, accept) => accept(data.cookie === undefined ? null : new Error('parsed')) })
    await connected(t, app.url, as(await app.logIn('jose')))
  }, {
    says: 'request.cookie has them',
    async does (t, start) {
      const app = await start({ success: (data, accept) => accept(typeof data.cookie[COOKIE] === 'string' ? null : new Error('no')) })
      await connected(t, app.url, as(await app.logIn('jose')))
    }
  })

  behaviour('the cookie\'s value in the auth payload logs in', async (t, start) => {
    const app = await start()
    const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
    await connected(t, app.url, { auth: { session_id: signed(id) } })
  }, {
    says: 'the payload is not looked at',
    async does (t, start) {
      const app = await start()
      const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
      assert.equal((await refused(t, app.url, { auth: { session_id: signed(id) } })).message, 'No session found')
    }
  })
})

describe('who is not', () => {
  const hears = (name, message, cookie, original) => behaviour(name, async (t, start) => {
    const app = await start()
    assert.equal((await refused(t, app.url, as(await cookie(app)))).message, message)
  }, original)

  hears('without a cookie no session is found', 'No session found', () => '')

  hears('a session that is gone is not found', 'No session found', async app => {
    const { id, cookie } = await app.sessionOf('{}')
    await app.redis.del(`sess:${id}`)
    return cookie
  })

  hears('a cookie of another name is none', 'No session found', async app => (await app.logIn('jose')).replace(COOKIE, 'connect.sid'))

  hears('a cookie that another secret has signed is none', 'No session found', async app => {
    const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
    return `${COOKIE}=${encodeURIComponent(signed(id, 'another secret'))}`
  })

  hears('a session that Passport never touched', 'Passport was not initialized', app => app.visit())

  hears(
    'a session that nobody is logged in with', 'User not authorized through passport. (User Property not found)',
    async app => (await app.sessionOf('{"cookie":{},"passport":{}}')).cookie
  )

  behaviour('a store that fails is an error, and its words stay with the server', async (t, start) => {
    const seen = []
    const app = await start({
      fail (_data, message, critical, accept) {
        seen.push([message, critical])
        accept(new Error(message))
      }
    })
    const { cookie } = await app.sessionOf('secrets of jose')
    const error = await refused(t, app.url, as(cookie))
    assert.match(error.message, /^Error in session store:\n/)
    assert.doesNotMatch(error.message, /secrets of jose/)
    assert.deepEqual(seen, [[error.message, true]])
  }, {
    says: 'the message has the driver\'s words, and with them the session\'s content',
    async does (t, start) {
      const app = await start()
      const { cookie } = await app.sessionOf('secrets of jose')
      assert.match((await refused(t, app.url, as(cookie))).message, /^Error in session store:\n.*secrets of jose/)
    }
  })
})

describe('success', () => {
  behaviour('is asked about everybody who is logged in, with the request and a function', async (t, start) => {
    const seen = []
    const app = await start({
      success (data, accept) {
        seen.push([data.user.name, data.user.logged_in, typeof data.headers, typeof accept])
        accept()
      }
    })
    await connected(t, app.url, as(await app.logIn('jose')))
    assert.deepEqual(seen, [['jose', true, 'object', 'function']])
  })

  behaviour('nobody connects until it has called accept', async (t, start) => {
    let asked
    const asking = new Promise(resolve => { asked = resolve })
    const app = await start({ success: (_data, accept) => asked(accept) })
    const socket = browser(t, app.url, as(await app.logIn('jose')))
    const accept = await asking
    assert.equal(await isIn(socket), false)
    const connects = told(socket, 'connect')
    accept()
    await connects
  })

  behaviour('accept(null, true) lets in', async (t, start) => {
    const app = await start({ success: (_data, accept) => accept(null, true) })
    await connected(t, app.url, as(await app.logIn('jose')))
  })

  behaviour('accept(new Error(reason)) does not, and the client hears the reason', async (t, start) => {
    const app = await start({ success: (_data, accept) => accept(new Error('optional reason')) })
    assert.equal((await refused(t, app.url, as(await app.logIn('jose')))).message, 'optional reason')
  })

  behaviour('accept(null, false) does not', async (t, start) => {
    const app = await start({ success: (_data, accept) => accept(null, false) })
    await refused(t, app.url, as(await app.logIn('jose')))
  }, {
    says: 'since Socket.IO 1.0 accept(null, false) lets in',
    async does (t, start) {
      const app = await start({ success: (_data, accept) => accept(null, false) })
      await connected(t, app.url, as(await app.logIn('jose')))
    }
  })
})

describe('fail', () => {
  behaviour('is asked about everybody who is not, with the request, the message and no error', async (t, start) => {
    const seen = []
    const app = await start({
      fail (data, message, error, accept) {
        seen.push([data.user, message, error, typeof accept])
        accept(new Error(message))
      }
    })
    assert.equal((await refused(t, app.url)).message, 'No session found')
    assert.deepEqual(seen, [[{ logged_in: false }, 'No session found', false, 'function']])
  })

  behaviour('a session that Passport never touched is an error for it', async (t, start) => {
    const seen = []
    const app = await start({
      fail (_data, message, error, accept) {
        seen.push([message, error])
        accept(new Error(message))
      }
    })
    await refused(t, app.url, as(await app.visit()))
    assert.deepEqual(seen, [['Passport was not initialized', true]])
  })

  behaviour('accept() lets in, and request.user says that nobody is logged in', async (t, start) => {
    const app = await start({ fail: (_data, _message, error, accept) => error ? accept(new Error('error')) : accept() })
    answers(app.io)
    const socket = await connected(t, app.url)
    assert.deepEqual(await socket.emitWithAck('whoami'), { logged_in: false })
  })

  behaviour('accept(null, !error) lets everybody in unless there is an error', async (t, start) => {
    const app = await start({ fail: (_data, _message, error, accept) => accept(null, !error) })
    await connected(t, app.url)
    await refused(t, app.url, as(await app.visit()))
  }, {
    says: 'since Socket.IO 1.0 accept(null, !error) lets everybody in, whatever the error',
    async does (t, start) {
      const app = await start({ fail: (_data, _message, error, accept) => accept(null, !error) })
      await connected(t, app.url)
      await connected(t, app.url, as(await app.visit()))
    }
  })

  behaviour('one that throws on an error, as the README has it, rejects', async (t, start) => {
    const app = await start({
      fail (_data, message, error, accept) {
        if (error) throw new Error(message)
        accept(new Error(message))
      }
    })
    assert.equal((await refused(t, app.url)).message, 'No session found')
    assert.equal((await refused(t, app.url, as(await app.visit()))).message, 'Passport was not initialized')
  }, { says: 'the throw ends the whole process, so anybody can do that by not logging in' })
})

describe('filterSocketsByUser', () => {
  behaviour('finds sockets by what their users are, to emit to them', async (t, start) => {
    const app = await start()
    const ana = await connected(t, app.url, as(await app.logIn('ana')))
    const jose = await connected(t, app.url, as(await app.logIn('jose')))
    jose.on('message', () => assert.fail('jose heard it'))
    const heard = told(ana, 'message')
    const found = app.filterSocketsByUser(app.io, user => user.gender === 'female')
    assert.deepEqual(found.map(({ id }) => id), [ana.id])
    for (const socket of found) socket.emit('message', 'hello, woman!')
    assert.deepEqual(await heard, ['hello, woman!'])
    assert.equal(await isIn(jose), true)
  }, {
    says: 'it finds nobody: io.sockets.connected is gone since Socket.IO 3',
    async does (t, start) {
      const app = await start()
      await connected(t, app.url, as(await app.logIn('ana')))
      assert.deepEqual(app.filterSocketsByUser(app.io, () => true), [])
    }
  })

  test('socketpass: with CEL text it finds those of the whole fleet', async t => {
    const [one, other] = [await webApp(t, ways.socketpass, there, {}), await webApp(t, ways.socketpass, there, {})]
    const cookie = await one.logIn('ana')
    const sockets = [await connected(t, one.url, as(cookie)), await connected(t, other.url, as(cookie))]
    await connected(t, other.url, as(await one.logIn('jose')))
    let found = []
    while (found.length < 2) found = await one.filterSocketsByUser(one.io, 'user.gender == params.gender', { gender: 'female' })
    assert.deepEqual(found.map(({ socketId }) => socketId).sort(), sockets.map(({ id }) => id).sort())
    const heard = sockets.map(socket => told(socket, 'message'))
    assert.deepEqual(await Promise.all(found.map(socket => socket.emit('message', 'hello, woman!'))), [true, true])
    for (const message of heard) assert.deepEqual(await message, ['hello, woman!'])
  })
})

describe('the CORS workaround', () => {
  behaviour('the cookie\'s value in the query logs in', async (t, start) => {
    const app = await start()
    const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
    await connected(t, app.url, { query: { session_id: signed(id) } })
  }, {
    says: 'a signed value in the query is looked up as it is and never found',
    async does (t, start) {
      const app = await start()
      const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
      assert.equal((await refused(t, app.url, { query: { session_id: signed(id) } })).message, 'No session found')
    }
  })

  behaviour('a bare session id in the query does not', async (t, start) => {
    const app = await start()
    const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
    assert.equal((await refused(t, app.url, { query: { session_id: id } })).message, 'No session found')
  }, {
    says: 'a bare id logs in, without any signature',
    async does (t, start) {
      const app = await start()
      const { id } = await app.sessionOf('{"cookie":{},"passport":{"user":{"name":"jose"}}}')
      await connected(t, app.url, { query: { session_id: id } })
    }
  })

  const words = 'Can not read cookies from CORS-Requests. See CORS-Workaround in the readme.'
  behaviour('without a session id a cross-domain client is told about it', async (t, start) => {
    const app = await start()
    assert.equal((await refused(t, app.url, { headers: { origin: 'https://elsewhere.example' } })).message, words)
  }, {
    says: 'it does not notice: request.xdomain is gone since Socket.IO 3',
    async does (t, start) {
      const app = await start()
      assert.equal((await refused(t, app.url, { headers: { origin: 'https://elsewhere.example' } })).message, 'No session found')
    }
  })
})

describe('settings', () => {
  for (const setting of ['store', 'secret', 'key', 'cookieParser', 'passport']) {
    test(`socketpass: ${setting} is an error that names it`, () => {
      assert.throws(() => authorize({ [setting]: 'anything' }), new RegExp(`socketpass: ${setting}: the service`))
    })
  }
})
