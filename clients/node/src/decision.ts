import { status, type ServiceError } from '@grpc/grpc-js'
import { setTimeout as sleep } from 'node:timers/promises'
import { failure, isFailure } from './failure'
import type { AuthorizeResponse, Handshake } from './generated/socketpass/v1/authorization_service'
import { Reason } from './generated/socketpass/v1/reason'
import type { Log } from './log'
import { authorizeRequest } from './messages'
import type { Answered, Service } from './service'
import type { User } from './settings'
import { type Packed, pack } from './struct'

/** How a socket is closed: a WebSocket close code, 4000-4999, and a reason of at most 32 ASCII characters. */
export interface Close {
  code: number
  reason: string
}

/** What came of a handshake. */
export interface Decision {
  accepted: boolean
  /** Why, for programs: `AUTHORIZED`, `NOT_LOGGED_IN` …; `UNSPECIFIED` without a decision. */
  reason: string
  /** Why rejected, for people. */
  message: string
  /** passport.socketio's `critical`. */
  error: boolean
  /** Who it is; `{logged_in: false}` when nobody is logged in. */
  user: User
  /** The session id that was looked up. As good as a login: keep it out of logs. */
  sessionId: string
  /** What to tell the client; absent when accepted. */
  close?: Close
}

/** What is said without a decision, and to sockets that have been without a stream for too long. */
export const UNAVAILABLE: Close = { code: 4000, reason: 'service_unavailable' }
/** What every socket is told when the gateway closes. */
export const DRAINING: Close = { code: 4001, reason: 'gateway_draining' }
/** What somebody is told whom the application refuses. */
export const DENIED: Close = { code: 4504, reason: 'denied_by_policy' }

/** What came of asking. */
export interface Answer {
  decision: Decision
  /** The user for the registry. */
  reported: Packed
  /** Whether `onUnavailable` has a say in it. */
  undecided: boolean
}

/** Nobody is logged in, for the registry. */
export const NOBODY = pack({ logged_in: false })

const FAULTS = new Set<Reason>([
  Reason.REASON_SESSION_MALFORMED, Reason.REASON_USER_SOURCE_FAILED, Reason.REASON_STORE_UNAVAILABLE
])

// Whoever does not understand why somebody is let in does not let them in.
const UNKNOWN_REASONS = new Set<Reason>([Reason.REASON_UNSPECIFIED, Reason.UNRECOGNIZED])

// What the gateway itself does wrong. Such a handshake is rejected whatever `onUnavailable` says: it would stay so.
const OWN_MISTAKES = new Set<status>([
  status.UNAUTHENTICATED, status.PERMISSION_DENIED, status.INVALID_ARGUMENT, status.UNIMPLEMENTED
])

const LONGEST_REASON = 123

const ATTEMPTS = 4
const FIRST_PAUSE = 50

/** Asks the service about handshakes. */
export class Decisions {
  readonly #service: Service
  readonly #gatewayId: string
  readonly #timeout: number
  readonly #log: Log

  constructor (service: Service, { gatewayId, timeout }: { gatewayId: string, timeout: number }, log: Log) {
    this.#service = service
    this.#gatewayId = gatewayId
    this.#timeout = timeout
    this.#log = log
  }

  /** Always answers: who cannot be decided on is rejected. */
  async decide (handshake: Handshake): Promise<Answer> {
    try {
      const { answer, user } = await this.#authorize(authorizeRequest(handshake, this.#gatewayId))
      if (answer.accepted && UNKNOWN_REASONS.has(answer.reason)) {
        this.#log.say('authorize', 'newer', 'handshakes are rejected: the service is newer, and its reason for letting in is not known here')
        return noAnswer(false)
      }
      return { decision: decisionOf(answer), reported: user ?? NOBODY, undecided: FAULTS.has(answer.reason) }
    } catch (error) {
      const said = isFailure(error)
      const { code, details } = said ? error : unsaid(error)
      const name = status[code]
      const late = code === status.DEADLINE_EXCEEDED
      const hint = this.#service.hint(code, late ? '`timeout`, `address` and `tls`' : '`address` and `tls`')
      // The service's own words may be new each time.
      const cause = said ? name : details
      this.#log.say('authorize', cause, `handshakes are not decided: ${name}: ${details}${hint ? `; ${hint}` : ''}`)
      return noAnswer(!OWN_MISTAKES.has(code))
    }
  }

  // Reads only, so it may be repeated. A replica that stops ends its calls with UNAVAILABLE.
  async #authorize (message: Buffer): Promise<Answered> {
    const deadline = Date.now() + this.#timeout
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#service.authorize(message, deadline)
      } catch (error) {
        const pause = FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
        const again = (error as ServiceError).code === status.UNAVAILABLE && attempt < ATTEMPTS
        if (!again || Date.now() + pause >= deadline) throw error
        await sleep(pause)
      }
    }
  }
}

// The handshake is none that could be asked about. Whoever sends such a thing should not find out what `onUnavailable` is.
function unsaid (error: unknown): ServiceError {
  return failure(status.INVALID_ARGUMENT, error instanceof Error ? error.message : String(error))
}

// Nobody could say who it is.
function noAnswer (undecided: boolean): Answer {
  const decision = rejection('UNSPECIFIED', 'Authorization service unavailable', UNAVAILABLE, true)
  return { decision, reported: NOBODY, undecided }
}

/** A rejection that the service did not send. */
export function rejection (reason: string, message: string, close: Close, error = false): Decision {
  return { accepted: false, reason, message, error, user: anonymous(), sessionId: '', close }
}

/** Nobody is logged in. A new one each time: the application may write to it. */
export function anonymous (): User {
  return { logged_in: false }
}

function decisionOf (answer: AuthorizeResponse): Decision {
  return {
    accepted: answer.accepted,
    reason: answer.reason.replace(/^REASON_/, ''),
    message: answer.message,
    error: answer.error,
    user: (answer.user as User | undefined) ?? anonymous(),
    sessionId: answer.sessionId,
    close: answer.accepted ? undefined : usable(answer.close, UNAVAILABLE)
  }
}

/** Something that a WebSocket can be closed with, whatever the service says. */
export function usable (close: Close | undefined, otherwise: Close): Close {
  if (close === undefined || close.code < 4000 || close.code > 4999) return otherwise
  return Buffer.byteLength(close.reason) <= LONGEST_REASON ? close : otherwise
}
