// A web app with logins: express-session keeps sessions in Redis, Passport keeps the user inside them.
// socketpass reads those same sessions and shares nothing else with this app.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { createClient } from 'redis'

const {
  PORT = '3000',
  HOST = '127.0.0.1',
  REDIS_URL = 'redis://127.0.0.1:6379',
  SESSION_SECRET,
  SESSION_COOKIE = 'connect.sid',
  SESSION_PREFIX = 'sess:',
  SESSION_SECONDS, // How long a login lasts without a request.
  PUBLIC_FOLDER // Pages to serve; an index.html among them takes the place of the page below.
} = process.env

if (!SESSION_SECRET) {
  console.error('SESSION_SECRET is not set: it signs the session cookie, and socketpass needs the same one')
  process.exit(1)
}

// --- Users ----------------------------------------------------------------------------------------------------------

const hash = promisify(scrypt)

// What goes into the session is exactly `user`; the password's hash never leaves this table.
async function account(user, password) {
  const salt = randomBytes(16)
  return { user, salt, key: await hash(password, salt, 32) }
}

const accounts = new Map([
  ['ana', await account({ id: 'u1', name: 'ana', role: 'admin' }, 'correct horse ana')],
  ['jose', await account({ id: 'u2', name: 'jose', role: 'member' }, 'correct horse jose')],
  ['zoe', await account({ id: 'u3', name: 'zoe', role: 'member' }, 'correct horse zoe')]
])

// Stands in for unknown names, so that they take as long to refuse as known ones do. Nobody knows its password.
const nobody = await account(false, randomBytes(16))

passport.use(new LocalStrategy(async (username, password, done) => {
  try {
    const { user, salt, key } = accounts.get(username) ?? nobody
    // `password=a&password=b` arrives as an array, which scrypt would throw at.
    const given = await hash(String(password), salt, key.length)
    done(null, timingSafeEqual(given, key) && user)
  } catch (error) {
    done(error)
  }
}))

// The whole user goes into the session, not just an id: whoever reads the session then knows who it is without asking
// this app. The price is that a changed role shows only after the next login.
passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

// --- Sessions -------------------------------------------------------------------------------------------------------

const redis = createClient({ url: REDIS_URL })
// Without a listener a lost connection would end the process; with one the client reconnects.
redis.on('error', (error) => console.error(`redis: ${error.message || error.code}`))
await redis.connect()

const app = express()

app.use(session({
  name: SESSION_COOKIE,
  // One secret, taken literally: a comma in it is part of it.
  secret: SESSION_SECRET,
  store: new RedisStore({ client: redis, prefix: SESSION_PREFIX }),
  resave: false,
  // Visitors who have done nothing worth remembering get neither a cookie nor a key in Redis.
  saveUninitialized: false,
  // `lax` keeps other sites from posting our forms. Behind HTTPS `secure: true` belongs here too.
  cookie: { httpOnly: true, sameSite: 'lax', maxAge: SESSION_SECONDS ? SESSION_SECONDS * 1_000 : undefined }
}))
app.use(passport.session())

// --- Routes ---------------------------------------------------------------------------------------------------------

if (PUBLIC_FOLDER) app.use(express.static(PUBLIC_FOLDER))

app.get('/', (req, res) => {
  res.send(page(req.user))
})

app.post('/login', express.urlencoded({ extended: false }), (req, res, next) => {
  passport.authenticate('local', (error, user) => {
    if (error) return next(error)
    if (!user) return res.status(401).type('text').send('Wrong username or password\n')
    // Passport gives the session a new id here, so that an id planted before the login is worth nothing after it.
    req.logIn(user, (error) => error ? next(error) : res.redirect(303, '/'))
  })(req, res, next)
})

app.post('/logout', (req, res, next) => {
  // Passport deletes the session from Redis and starts a fresh one without a user: the old cookie names nothing any
  // more, for socketpass as well.
  req.logout((error) => error ? next(error) : res.redirect(303, '/'))
})

app.get('/whoami', (req, res) => {
  res.json({ user: req.user ?? null })
})

// Something to remember about a visitor who is not logged in: this makes an anonymous session.
app.get('/visit', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ views: req.session.views })
})

function page(user) {
  // Names and roles come from the table above and need no escaping; from a database they would.
  const body = user
    ? `<p>Logged in as <strong>${user.name}</strong> (${user.role}).</p>
  <form method="post" action="/logout"><button>Log out</button></form>`
    : `<p>Nobody is logged in.</p>
  <form method="post" action="/login">
    <label>Username <input name="username" autocomplete="username" required></label>
    <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
    <button>Log in</button>
  </form>`
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>socketpass example</title>
</head>
<body>
  <h1>socketpass example</h1>
  ${body}
</body>
</html>
`
}

// --- Start and stop -------------------------------------------------------------------------------------------------

const server = app.listen(Number(PORT), HOST, (error) => {
  if (error) throw error
  // The port is asked for, not repeated: PORT=0 lets the system choose one.
  console.log(`listening on http://${HOST}:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // Requests under way still need their session, so Redis goes last.
    server.close(async () => {
      await redis.close()
      process.exit(0)
    })
  })
}
