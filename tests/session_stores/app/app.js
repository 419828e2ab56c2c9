// A web app on one of the session stores that socketpass reads. It writes sessions through express-session and Passport
// as any app does; the tests do the logging in and out.
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { openStore } from './stores.js'

const { LAYOUT, URL: url, SESSION_SECRET: secret, OPTIONS = '{}' } = process.env

const { store, close } = await openStore(LAYOUT, url, JSON.parse(OPTIONS), session)

passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

const app = express()
app.use(session({ secret, store, resave: false, saveUninitialized: false }))
app.use(passport.session())

// `max_age`: for how many milliseconds the session lives.
app.post('/login', (req, res, next) => {
  req.logIn({ id: 'u1', name: 'Ana Ünal 漢' }, (error) => {
    if (error) return next(error)
    if (req.query.max_age) req.session.cookie.maxAge = Number(req.query.max_age)
    req.session.save((error) => error ? next(error) : res.json({ session_id: req.sessionID }))
  })
})

app.post('/logout', (req, res, next) => {
  req.logout((error) => error ? next(error) : res.json({}))
})

app.get('/visit', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ views: req.session.views, user: req.user ?? null })
})

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})

process.once('SIGTERM', () => server.close(() => close().then(() => process.exit(0))))
