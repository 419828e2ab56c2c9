import { type Answer, type Close, type Decision, NOBODY, anonymous } from './decision'
import type { Log } from './log'
import type { Accept, HandshakeRequest, Resolved, User } from './settings'
import type { Packed } from './struct'

/** Whether the socket may open, and what is told to whom. */
export type Verdict =
  | { accepted: true, admission: Admission }
  | { accepted: false, decision: Decision, close: Close, error: Error }

/** Who has been let in. */
export interface Admission {
  /** The application's: what it may write to, and what hooks may replace. */
  user: User
  /** The registry's: as the service knows the user. */
  reported: Packed
  sessionId: string
}

// What the client is told when the application refuses somebody whom the service lets in.
const REFUSED: Close = { code: 4504, reason: 'denied_by_policy' }

/** Puts the user on the request, and lets the application have its say. */
export async function judge (request: HandshakeRequest, answer: Answer, settings: Resolved, log: Log): Promise<Verdict> {
  const { decision, reported, undecided } = answer
  const { success, fail, userProperty } = settings
  const user = decision.accepted ? decision.user : anonymous()
  request[userProperty] = user
  request.sessionID = decision.sessionId
  // What passport.socketio set for hooks that serve several generations of Socket.IO.
  request.socketio_version_1 = true
  if (decision.accepted) {
    const error = success && await refusal(accept => success(request, accept, decision), 'success', log)
    if (error !== undefined) return { accepted: false, decision, close: REFUSED, error: error ?? new Error('Denied by policy') }
    return { accepted: true, admission: { user: request[userProperty], reported, sessionId: decision.sessionId } }
  }
  let error: Error | null | undefined = null
  if (undecided && settings.onUnavailable === 'accept') error = undefined
  else if (fail) {
    error = await refusal(accept => fail(request, decision.message, decision.error, accept, decision), 'fail', log)
  }
  if (error !== undefined) {
    return { accepted: false, decision, close: decision.close!, error: error ?? new Error(decision.message) }
  }
  // Let in against the decision. With a session id the service would end the socket.
  const nobody = anonymous()
  request[userProperty] = nobody
  return { accepted: true, admission: { user: nobody, reported: NOBODY, sessionId: '' } }
}

// Nothing when the hook accepts; else the application's error, or null if it has none for the client to hear.
function refusal (hook: (accept: Accept) => unknown, name: string, log: Log): Promise<Error | null | undefined> {
  return new Promise(resolve => {
    const failed = (error: unknown): void => {
      // Every time: this is the application's fault, and no two need be the same.
      const why = error instanceof Error ? error.stack ?? error.message : String(error)
      log.trouble(`hook ${name}`, why, `the hook \`${name}\` failed, so the handshake is rejected: ${why}`)
      resolve(null)
    }
    const accept: Accept = (error, allowed = true) => {
      if (error) resolve(error instanceof Error ? error : new Error(String(error)))
      else resolve(allowed ? undefined : null)
    }
    try {
      const done = hook(accept)
      if (done instanceof Promise) done.catch(failed)
    } catch (error) {
      failed(error)
    }
  })
}
