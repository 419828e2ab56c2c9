import { type Settings, isObject } from './settings'
import type { Middleware } from './socketio'
import { SocketPass } from './socketpass'

/** The middleware of `authorize()`, and the gateway behind it. */
export interface Authorize extends Middleware {
  readonly pass: SocketPass
}

/**
 * passport.socketio's `authorize`: `io.use(authorize({ … }))`. Its `store`, `secret`, `key`, `cookieParser` and `passport` are
 * errors: they belong to the service now.
 */
export function authorize (settings: Settings = {}): Authorize {
  const pass = new SocketPass(isObject(settings) ? { goodbyeOnSigterm: true, ...settings } : settings)
  return Object.assign(pass.authorize(), { pass })
}
