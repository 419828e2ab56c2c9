import { type Answer, type Close, DENIED, type Decision, NOBODY, UNAVAILABLE, anonymous, rejection } from './decision'
import type { Log } from './log'
import type { Accept, HandshakeRequest, Resolved, User } from './settings'
import type { Packed } from './struct'

/** Whether the socket may open, and what is told to whom. */
export type Verdict =
  | { accepted: true, admission: Admission }
  | Refusal

/** The decision that stands in the end, whosever it is, and the error for the client. */
export interface Refusal {
  accepted: false
  decision: Decision
  close: Close
  error: Error
}

/** Who has been let in. */
export interface Admission {
  /** The application's: what it may write to, and what hooks may replace. */
  user: User
  /** The registry's: as the service knows the user. */
  reported: Packed
  sessionId: string
}

// What a hook has said.
interface Reply {
  outcome: 'accepts' | 'refuses' | 'failed'
  /** The application's own, for the client to hear. */
  error?: Error
}

const ACCEPTS: Reply = { outcome: 'accepts' }
const REFUSES: Reply = { outcome: 'refuses' }

/** Puts the user on the request, and lets the application have its say. */
export async function judge (request: HandshakeRequest, answer: Answer, settings: Resolved, log: Log): Promise<Verdict> {
  const { decision, reported, undecided } = answer
  const { success, fail, userProperty, timeout } = settings
  const user = decision.accepted ? decision.user : anonymous()
  request[userProperty] = user
  request.sessionID = decision.sessionId
  // What passport.socketio set for hooks that serve several generations of Socket.IO.
  request.socketio_version_1 = true
  if (decision.accepted) {
    const reply = success ? await asked(accept => success(request, accept, decision), 'success', timeout, log) : ACCEPTS
    switch (reply.outcome) {
      case 'accepts':
        return { accepted: true, admission: { user: request[userProperty], reported, sessionId: decision.sessionId } }
      case 'refuses':
        return refusal(rejection('DENIED_BY_POLICY', 'Denied by policy', DENIED), reply.error)
      case 'failed':
        return refusal(rejection('UNSPECIFIED', 'Authorization failed', UNAVAILABLE, true))
    }
  }
  if (!(undecided && settings.onUnavailable === 'accept')) {
    const { message, error } = decision
    const reply = fail ? await asked(accept => fail(request, message, error, accept, decision), 'fail', timeout, log) : REFUSES
    if (reply.outcome !== 'accepts') return refusal(decision, reply.error)
  }
  // Let in against the decision. With a session id the service would end the socket.
  const nobody = anonymous()
  request[userProperty] = nobody
  return { accepted: true, admission: { user: nobody, reported: NOBODY, sessionId: '' } }
}

/** Nobody is let in, because of that decision. */
export function refusal (decision: Decision, error = new Error(decision.message)): Refusal {
  return { accepted: false, decision, close: decision.close!, error }
}

function asked (hook: (accept: Accept) => unknown, name: string, timeout: number, log: Log): Promise<Reply> {
  return new Promise(resolve => {
    const failed = (error: unknown): void => {
      const why = error instanceof Error ? error.stack ?? error.message : String(error)
      log.say(`hook ${name}`, why, `the hook \`${name}\` failed, so the handshake is rejected: ${why}`)
      settle({ outcome: 'failed' })
    }
    const timer = setTimeout(() => failed(`it said nothing for ${timeout} ms`), timeout)
    const settle = (reply: Reply): void => {
      clearTimeout(timer)
      resolve(reply)
    }
    const accept: Accept = (error, allowed = true) => {
      if (error) settle({ outcome: 'refuses', error: error instanceof Error ? error : new Error(String(error)) })
      else settle(allowed ? ACCEPTS : REFUSES)
    }
    try {
      Promise.resolve(hook(accept)).catch(failed)
    } catch (error) {
      failed(error)
    }
  })
}
