import { X509Certificate, createPrivateKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { IncomingMessage } from 'node:http'
import type { Decision } from './decision'

/** What Passport calls `user`: what the session holds, and always `logged_in`. */
export interface User {
  logged_in: boolean
  // What else a user has is the application's own affair.
  [name: string]: any
}

/**
 * How a hook says whether the socket may open: `accept()` lets it in, `accept(new Error(message))` does not. With a second
 * argument that is false, `accept(null, false)`, it does not either.
 */
export type Accept = (error?: Error | string | null, allowed?: boolean) => void

/** Asked when the service accepts. `data` is the HTTP request, with the user at `data[userProperty]`. */
export type Success = (data: any, accept: Accept, decision: Decision) => void | Promise<void>

/** Asked when the service rejects, or could not decide. `critical` is the decision's `error`. */
export type Fail = (
  data: any, message: string, critical: boolean, accept: Accept, decision: Decision
) => void | Promise<void>

/** What the client can be told; all of it may be left out. */
export interface Settings {
  /** Where socketpass is. Default `127.0.0.1:50051`. Calls go round all addresses of a name. */
  address?: string
  /** TLS, with PEM files. `{}` trusts the authorities that Node trusts; `cert` and `key` go together (mTLS). */
  tls?: { ca?: string, cert?: string, key?: string }
  /** What `socketpass token` made, or a function that gives it and is asked for every call. */
  token?: string | (() => string | Promise<string>)
  /** The process' name in the fleet, 1 to 256 bytes. Default: host name, `-`, six random hex digits. */
  gatewayId?: string
  /** The gateway's labels, for filters. */
  labels?: Record<string, string>
  /** How long a decision may take, in milliseconds, repetitions included. Default 5000. */
  timeout?: number
  /** `accept` lets handshakes in that the service could not answer, or answered with a fault. Default `reject`. */
  onUnavailable?: 'reject' | 'accept'
  /** How long a socket may be open without a stream, in milliseconds, until it is closed. Default: never. */
  closeAfterLoss?: number
  /** The application's own say when the service accepts. */
  success?: Success
  /** The application's own say when the service rejects. */
  fail?: Fail
  /** Where the user is put on the request. Default `user`. */
  userProperty?: string
  /** Says goodbye on SIGTERM and then lets the process end. Default: true for `authorize()`, false for `SocketPass`. */
  goodbyeOnSigterm?: boolean
}

/** The settings with their defaults, and the files of `tls` read. */
export interface Resolved extends Required<Pick<Settings,
  'address' | 'gatewayId' | 'labels' | 'timeout' | 'onUnavailable' | 'userProperty' | 'goodbyeOnSigterm'>>,
  Pick<Settings, 'token' | 'closeAfterLoss' | 'success' | 'fail'> {
  tls?: { ca?: Buffer, cert?: Buffer, key?: Buffer }
}

/** What `success` and `fail` get as `data`. */
export type HandshakeRequest = IncomingMessage & Record<string, any>

// The longest that setTimeout can wait.
const LONGEST = 2 ** 31 - 1

type Check = (value: unknown) => string | undefined

const isFunction: Check = value => typeof value === 'function' ? undefined : 'a function'
const isBoolean: Check = value => typeof value === 'boolean' ? undefined : 'true or false'
const isMilliseconds: Check = value => Number.isInteger(value) && Number(value) > 0 && Number(value) <= LONGEST
  ? undefined
  : `a whole number of milliseconds from 1 to ${LONGEST}`

function isText (value: unknown, from: number, to: number): value is string {
  return typeof value === 'string' && Buffer.byteLength(value) >= from && Buffer.byteLength(value) <= to
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// As grpc-js takes them.
function isAddress (text: string): boolean {
  if (text.startsWith('unix:')) return text.length > 'unix:'.length
  const list = /^ipv[46]:(?:\/\/)?/
  if (list.test(text)) return text.replace(list, '').split(',').every(isHostAndPort)
  return isHostAndPort(text.replace(/^dns:(?:\/\/[^/]*\/)?/, ''))
}

function isHostAndPort (text: string): boolean {
  const port = /^(?:\[[^[\]]+\]|[^\s:,/[\]]+):(\d+)$/.exec(text)?.[1]
  return port !== undefined && Number(port) > 0 && Number(port) <= 65_535
}

// What each setting takes, if the value is not that.
const CHECKS: Record<keyof Settings, Check> = {
  address: value => typeof value === 'string' && isAddress(value)
    ? undefined
    : 'host:port, without http:// or https:// (tls makes it TLS), or a list, ipv4:10.0.0.1:50051,10.0.0.2:50051',
  tls: value => {
    if (!isObject(value) || Object.keys(value).some(name => !['ca', 'cert', 'key'].includes(name)) ||
      Object.values(value).some(file => file !== undefined && typeof file !== 'string')) {
      return 'an object with the names of PEM files: ca, cert, key'
    }
    return (value.cert === undefined) === (value.key === undefined) ? undefined : 'cert and key together, or neither'
  },
  token: value => typeof value === 'function' || (typeof value === 'string' && isToken(value))
    ? undefined
    : 'the text that `socketpass token` made, or a function that gives it',
  gatewayId: value => isText(value, 1, 256) && !/[\0-\x1F\x7F-\x9F]/.test(value)
    ? undefined
    : 'a text of 1 to 256 bytes without control characters',
  labels: value => isObject(value) && Object.keys(value).length <= 32 &&
    Object.entries(value).every(([name, text]) => isText(name, 1, 63) && isText(text, 0, 256))
    ? undefined
    : 'an object of at most 32 texts of at most 256 bytes, with names of 1 to 63 bytes',
  timeout: isMilliseconds,
  onUnavailable: value => value === 'reject' || value === 'accept' ? undefined : '"reject" or "accept"',
  closeAfterLoss: isMilliseconds,
  success: isFunction,
  fail: isFunction,
  userProperty: value => typeof value === 'string' && value !== '' ? undefined : 'the name of a property',
  goodbyeOnSigterm: isBoolean
}

// passport.socketio's own settings. They are errors, not passed over: who leaves `secret` here may believe it counts.
const MOVED: Record<string, string> = {
  store: 'the service reads the sessions now: set its session.store',
  secret: 'the service checks the signatures now: set its session.secrets',
  key: 'the service looks for the cookie now: set its session.cookie',
  cookieParser: 'the service reads the cookies now: there is nothing to set',
  passport: 'the service reads the session now: set its session.passport_key if Passport uses another key, and user.source'
}

/** Whether gRPC can send it as `authorization: Bearer …`. */
export function isToken (text: string): boolean {
  return /^[\x21-\x7E]+$/.test(text)
}

/** Checks the settings, all at once, and fills in the defaults. */
export function resolve (settings: Settings, goodbyeOnSigterm: boolean): Resolved {
  if (!isObject(settings as unknown)) throw new TypeError('socketpass: settings: takes an object')
  const faults: string[] = []
  for (const [name, value] of Object.entries(settings)) {
    const moved = Object.hasOwn(MOVED, name) && MOVED[name]
    if (moved) faults.push(`${name}: ${moved}`)
    else if (!Object.hasOwn(CHECKS, name)) faults.push(`${name}: no such setting; there are ${Object.keys(CHECKS).join(', ')}`)
    else if (value !== undefined) {
      const takes = CHECKS[name as keyof Settings](value)
      if (takes !== undefined) faults.push(`${name}: takes ${takes}`)
    }
  }
  if (faults.length > 0) throw new TypeError(`socketpass: ${faults.join('; ')}`)
  return {
    address: settings.address ?? '127.0.0.1:50051',
    tls: settings.tls && pemFiles(settings.tls),
    token: settings.token,
    gatewayId: settings.gatewayId ?? `${hostname()}-${randomBytes(3).toString('hex')}`,
    labels: settings.labels ?? {},
    timeout: settings.timeout ?? 5_000,
    onUnavailable: settings.onUnavailable ?? 'reject',
    closeAfterLoss: settings.closeAfterLoss,
    success: settings.success,
    fail: settings.fail,
    userProperty: settings.userProperty ?? 'user',
    goodbyeOnSigterm: settings.goodbyeOnSigterm ?? goodbyeOnSigterm
  }
}

function pemFiles (tls: NonNullable<Settings['tls']>): Resolved['tls'] {
  // Parsed here only to say which of them is wrong: TLS would pass over a broken `ca`.
  const read = (name: keyof typeof tls, parse: (pem: Buffer) => unknown): Buffer | undefined => {
    const file = tls[name]
    if (file === undefined) return undefined
    try {
      const pem = readFileSync(file)
      parse(pem)
      return pem
    } catch (error) {
      throw new TypeError(`socketpass: tls.${name}: ${file}: ${(error as Error).message}`)
    }
  }
  const certificate = (pem: Buffer): unknown => new X509Certificate(pem)
  return { ca: read('ca', certificate), cert: read('cert', certificate), key: read('key', createPrivateKey) }
}
