// A web app on cookie-session: Passport keeps the user in the cookie itself, and there is no store.
import cookieSession from 'cookie-session'
import express from 'express'
import Keygrip from 'keygrip'
import passport from 'passport'

const { KEYS, ALGORITHM, NAME } = process.env
const keys = JSON.parse(KEYS)

passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

const app = express()
app.use(cookieSession({
  ...(NAME && { name: NAME }),
  keys: ALGORITHM ? new Keygrip(keys, ALGORITHM) : keys,
  maxAge: 60_000
}))
// Passport asks for these two of express-session's methods; with cookie-session there is nothing to do.
app.use((req, res, next) => {
  req.session.regenerate ??= (done) => done()
  req.session.save ??= (done) => done()
  next()
})
app.use(passport.session())

app.post('/login', (req, res, next) => {
  req.logIn({ id: 'u1', name: 'Zoë ✓', role: 'admin' }, (error) => error ? next(error) : res.sendStatus(204))
})

app.post('/logout', (req, res, next) => {
  req.logout((error) => error ? next(error) : res.sendStatus(204))
})

app.post('/end', (req, res) => {
  req.session = null
  res.sendStatus(204)
})

app.post('/visit', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.sendStatus(204)
})

const server = app.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
