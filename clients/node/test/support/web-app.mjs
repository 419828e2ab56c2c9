// A web app with a login, as passport.socketio's README has it on today's packages, and its Socket.IO server beside it.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { RedisStore } from 'connect-redis'
import cookieParser from 'cookie-parser'
import express from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import passportSocketIo from 'passport.socketio'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { authorize, filterSocketsByUser } from 'socketpass'
import { SECRET } from './processes.mjs'

export const COOKIE = 'express.sid'

const USERS = {
  jose: { name: 'jose', mail: 'jose@example.org', gender: 'male' },
  ana: { name: 'ana', mail: 'ana@example.org', gender: 'female' }
}

/** How a server asks who is there: the two that are compared. */
export const ways = {
  'passport.socketio': {
    authorize: ({ store, passport }, options) =>
      passportSocketIo.authorize({ cookieParser, key: COOKIE, secret: SECRET, store, passport, ...options }),
    filterSocketsByUser: passportSocketIo.filterSocketsByUser
  },
  socketpass: {
    authorize: ({ address }, options) => authorize({ address, goodbyeOnSigterm: false, ...options }),
    filterSocketsByUser
  }
}

export async function webApp (t, way, { redisUrl, address }, options) {
  const redis = createClient({ url: redisUrl })
  await redis.connect()
  const store = new RedisStore({ client: redis })
  const passport = new Passport()
  passport.use(new LocalStrategy((name, password, done) => done(null, password === 'Pa123' && USERS[name])))
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user, done) => done(null, user))

  const app = express()
  app.use(session({ name: COOKIE, secret: SECRET, store, resave: false, saveUninitialized: true }))
  app.use(passport.session())
  app.get('/visit', (_request, response) => response.end())
  app.post('/login', express.urlencoded(), passport.authenticate('local'), (_request, response) => response.end())

  const server = createServer(app)
  const io = new Server(server)
  const middleware = way.authorize({ store, passport, address }, options)
  io.use(middleware)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    await io.close()
    await middleware.pass?.close()
    await redis.close()
  })
  const url = `http://127.0.0.1:${server.address().port}`

  return {
    io,
    url,
    redis,
    filterSocketsByUser: way.filterSocketsByUser,
    /** The cookie of a visitor whom nobody knows. */
    visit: async () => cookieOf(await fetch(`${url}/visit`)),
    /** The cookie of somebody who has logged in. */
    logIn: async name => cookieOf(await fetch(`${url}/login`, {
      method: 'POST', body: new URLSearchParams({ username: name, password: 'Pa123' })
    })),
    /** The cookie of a session that holds this text. */
    async sessionOf (text, id = `made-${Math.random()}`) {
      await redis.set(`sess:${id}`, text)
      return { id, cookie: `${COOKIE}=${encodeURIComponent(signed(id))}` }
    }
  }
}

export function signed (id, secret = SECRET) {
  return `s:${id}.${createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')}`
}

function cookieOf (response) {
  if (!response.ok) throw new Error(`HTTP status ${response.status}`)
  return response.headers.getSetCookie()[0].split(';')[0]
}
