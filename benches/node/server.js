// Authorize as a Node service: passport.socketio on the express-session store, behind grpc-js.
// The benchmark measures socketpass against this, so it does what Authorize needs and nothing else.
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'
import { RedisStore } from 'connect-redis'
import cookieParser from 'cookie-parser'
import passport from 'passport'
import passportSocketIo from 'passport.socketio'
import { createClient } from 'redis'

const { PORT = '50052', REDIS_URL = 'redis://127.0.0.1:6379', SESSION_SECRET } = process.env

if (!SESSION_SECRET) {
  console.error('SESSION_SECRET is not set: it is what the session cookies are signed with')
  process.exit(1)
}

const COOKIE = 'connect.sid'
const MALFORMED = 'The session is not JSON'

// --- The decision ---------------------------------------------------------------------------------------------------

// Without the offline queue a lost Redis is a rejection at once, not a call that hangs until Redis is back.
const redis = createClient({ url: REDIS_URL, disableOfflineQueue: true })
redis.on('error', (error) => console.error(`redis: ${error.message || error.code}`))
await redis.connect()

const store = new RedisStore({
  client: redis,
  serializer: {
    stringify: JSON.stringify,
    // JSON.parse quotes its input when it throws, and passport.socketio passes that on: the session's content must not
    // reach a client.
    parse(text) {
      try {
        return JSON.parse(text)
      } catch {
        throw new Error(MALFORMED)
      }
    }
  }
})

// The session holds the user itself. A bare id becomes an object, because a Struct has to be one and because
// passport.socketio could not set `logged_in` on anything else.
passport.deserializeUser((user, done) => {
  done(null, user && typeof user !== 'object' ? { id: user } : user)
})

const authorize = passportSocketIo.authorize({
  key: COOKIE,
  secret: SESSION_SECRET,
  store,
  passport,
  cookieParser,
  success(data, reply) {
    reply(null, {
      accepted: true,
      reason: 'REASON_AUTHORIZED',
      user: toStruct(data.user),
      sessionId: data.sessionID
    })
  },
  fail(data, problem, critical, reply) {
    // Passport's own errors come as Error objects, passport.socketio's as strings.
    const message = problem instanceof Error ? problem.message : problem
    const { reason, close } = refusalFor(message, data)
    reply(null, {
      accepted: false,
      reason,
      message,
      error: critical,
      user: ANONYMOUS,
      sessionId: data.sessionID,
      close
    })
  }
})

// --- Refusals -------------------------------------------------------------------------------------------------------

const ANONYMOUS = toStruct({ logged_in: false })

const NO_SESSION_ID = refusal('no_session_id', 4507)
const BAD_SIGNATURE = refusal('bad_signature', 4507)
const SESSION_NOT_FOUND = refusal('session_not_found', 4500)
const SESSION_MALFORMED = refusal('session_malformed', 4000)
const PASSPORT_NOT_INITIALIZED = refusal('passport_not_initialized', 4501)
const NOT_LOGGED_IN = refusal('not_logged_in', 4501)
const USER_NOT_FOUND = refusal('user_not_found', 4503)
const USER_SOURCE_FAILED = refusal('user_source_failed', 4000)
const STORE_UNAVAILABLE = refusal('store_unavailable', 4000)

function refusal(name, code) {
  return { reason: `REASON_${name.toUpperCase()}`, close: { code, reason: name } }
}

// passport.socketio tells its refusals apart by their words alone.
function refusalFor(message, data) {
  switch (message) {
    case 'No session found':
      if (data.sessionID) return SESSION_NOT_FOUND
      // cookie-parser leaves `false` where a signature is wrong.
      return data.cookie[COOKIE] === false ? BAD_SIGNATURE : NO_SESSION_ID
    case 'Passport was not initialized':
      return PASSPORT_NOT_INITIALIZED
    case 'User not authorized through passport. (User Property not found)':
      return NOT_LOGGED_IN
    case 'User not found':
      return USER_NOT_FOUND
  }
  if (message.startsWith('Error in session store:')) {
    return message.endsWith(MALFORMED) ? SESSION_MALFORMED : STORE_UNAVAILABLE
  }
  return message.startsWith('Can not read cookies') ? NO_SESSION_ID : USER_SOURCE_FAILED
}

// --- gRPC -----------------------------------------------------------------------------------------------------------

function Authorize(call, reply) {
  const { handshake } = call.request
  if (!handshake) {
    return reply({ code: grpc.status.INVALID_ARGUMENT, details: 'handshake is required' })
  }
  const { headers, url, xdomain } = handshake
  // What passport.socketio expects is the HTTP request as Engine.IO leaves it.
  authorize({ headers: lowerCased(headers), url, _query: queryOf(url), xdomain }, reply)
}

// A Node gateway sends the names in lower case already; then there is nothing to copy.
function lowerCased(headers) {
  if ('cookie' in headers) return headers
  const lower = {}
  for (const name of Object.keys(headers)) lower[name.toLowerCase()] = headers[name]
  return lower
}

function queryOf(url) {
  const start = url.indexOf('?')
  return start < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(start + 1)))
}

// Everything here was parsed from JSON, so there are no other types than JSON's.
function toStruct(object) {
  const fields = {}
  for (const key of Object.keys(object)) fields[key] = toValue(object[key])
  return { fields }
}

function toValue(value) {
  switch (typeof value) {
    case 'string': return { stringValue: value }
    case 'number': return { numberValue: value }
    case 'boolean': return { boolValue: value }
  }
  if (value === null) return { nullValue: 'NULL_VALUE' }
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } }
  return { structValue: toStruct(value) }
}

const definition = protoLoader.loadSync('socketpass/v1/authorization_service.proto', {
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  // Absent fields arrive as proto3's defaults instead of undefined.
  defaults: true
})
const { AuthorizationService } = grpc.loadPackageDefinition(definition).socketpass.v1

const server = new grpc.Server()
// Explain is left out: grpc-js answers UNIMPLEMENTED for it.
server.addService(AuthorizationService.service, { Authorize })

server.bindAsync(`127.0.0.1:${Number(PORT)}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error
  console.log(`listening on 127.0.0.1:${port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // Calls under way still need their session, so Redis goes last.
    server.tryShutdown(async () => {
      await redis.close()
      process.exit(0)
    })
  })
}
