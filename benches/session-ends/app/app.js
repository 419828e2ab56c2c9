// A web app that people log in to and out of, with the Passport that PASSPORT names. Up to 0.5 logging out writes the session
// without its user; from 0.6 on it also destroys it.
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

const { PASSPORT, REDIS_URL, SESSION_SECRET: secret } = process.env

const { default: passport } = await import(`passport-${PASSPORT}`)
const redis = createClient({ url: REDIS_URL })
redis.on('error', (error) => console.error(`redis: ${error.message || error.code}`))
await redis.connect()

passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

const app = express()
app.use(session({ secret, store: new RedisStore({ client: redis }), resave: false, saveUninitialized: false }))
app.use(passport.initialize())
app.use(passport.session())

app.post('/login', (req, res, next) => {
  const id = String(req.query.id)
  const user = { id, name: `Person ${id}`, email: `${id}@example.com`, role: 'member', team: 'payments', locale: 'en' }
  req.logIn(user, (error) => error ? next(error) : res.json({ session_id: req.sessionID }))
})

app.post('/logout', (req, res, next) => {
  const done = (error) => error ? next(error) : res.json({})
  if (req.logout.length > 0) return req.logout(done)
  req.logout()
  done()
})

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})
