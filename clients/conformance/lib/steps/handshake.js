// Somebody asks for a socket.
import { setTimeout as sleep } from 'node:timers/promises'
import { difference, text } from '../match.js'
import { Deviation } from '../until.js'

const SESSION = { passport: { user: { id: 'u1', name: 'ana' } } }
const LEFT = 1_500 // Long enough for the answer to come and for all that follows.
// What a browser can hear of a rejection.
const CARRIED = { 'socket.io': ['message', 'code', 'reason'], websocket: ['status', 'code', 'reason', 'message'] }

export async function handshake (stage, step) {
  const { as = 'a', within, hooks = [] } = step
  const session = await arrive(stage, step.handshake)
  const answers = stage.fill(step.answers ?? [step.answer ?? usualAnswer(session)])
  const before = stage.record.asked.length
  const begun = performance.now()
  const browser = stage.browse(lined(stage.fill({ cookie: session && '<cookie>', ...step.handshake })), answers)
  stage.browsers.set(as, browser)
  if (step.leaves) return leave(stage, browser, step.leaves)
  await stage.until(() => browser.accepted || browser.rejected ? undefined : `${as} hears nothing`, within)
  const took = performance.now() - begun
  const accepted = step.accepted ?? (step.rejected ? undefined : usualUser(session))
  if (accepted) await letIn(stage, as, browser, stage.fill(accepted))
  else turnedAway(stage, as, browser, stage.fill(step.rejected))
  if (step.took) told(difference({ $between: step.took }, took, `the milliseconds until ${as} heard`))
  await hooked(stage, stage.fill(hooks))
  if (!stage.peer.unseen) asked(stage, browser, before, step, answers)
}

// Keeps the session that the person has, and puts it under its names. Who comes beside another has the other's.
export async function arrive (stage, { session = SESSION, stored = true, beside } = {}) {
  if (session === null) return
  session = stage.fill(session)
  if (beside) {
    stage.names.sid = stage.names[`${beside}.sid`]
    return session
  }
  const { id, cookie, signed } = await stage.services.session(session, stored && stage.set.peer !== 'scripted')
  Object.assign(stage.names, { sid: id, cookie, signed })
  return session
}

// The head's lines as they are to be sent.
export function lined ({ headers = [], cookie, ...handshake }) {
  const lines = Array.isArray(headers) ? headers : Object.entries(headers)
  return { ...handshake, lines: cookie ? [['cookie', cookie], ...lines] : lines }
}

export function usualUser (session) {
  return { ...session?.passport?.user, logged_in: true }
}

export function usualAnswer (session) {
  return { accepted: true, reason: 'AUTHORIZED', user: usualUser(session), session_id: '<sid>' }
}

// The browser does not wait for what becomes of it, and the application may have seen it or not.
async function leave (stage, browser, after) {
  await sleep(after)
  if (browser.accepted || browser.rejected) throw new Deviation('it was decided before the browser left')
  browser.drop()
  await sleep(LEFT)
  stage.subject.passOver()
}

async function letIn (stage, as, browser, user) {
  if (browser.rejected) throw new Deviation(`${as}: expected to be let in, was turned away with ${text(browser.rejected)}`)
  told(difference({ $exactly: user }, browser.user, `${as}'s user`))
  stage.names[as] = await stage.subject.opened()
  stage.names[`${as}.sid`] = stage.names.sid
}

function turnedAway (stage, as, browser, expected) {
  if (browser.accepted) throw new Deviation(`${as}: expected to be turned away, was let in as ${text(browser.user)}`)
  const carried = stage.set.subject?.rejectAfterUpgrade
    ? ['code', 'reason']
    : stage.lacks('connect_error data') ? ['message'] : CARRIED[stage.protocol]
  const members = Object.entries(expected).filter(([name]) => carried.includes(name))
  told(difference(Object.fromEntries(members), browser.rejected, `${as}'s rejection`))
}

// Hooks are asked before the browser hears, but what the subject says of it may come a moment later.
async function hooked (stage, expected) {
  stage.hooks.push(...expected)
  await stage.until(() => hookDifference(stage), 2_000)
}

export function hookDifference (stage) {
  return difference(stage.hooks, stage.subject.since(stage.begun.said, 'success', 'fail'), 'hooks')
}

function asked (stage, { key }, before, step, answers) {
  const calls = stage.record.asked.slice(before).filter(({ handshake }) => handshake.headers['x-handshake'] === key)
  if (step.asked) told(difference([stage.fill(step.asked)].flat(), calls, 'asked'))
  else if (!step.answers && calls.length !== 1) throw new Deviation(`asked ${calls.length} times`)
  if (stage.set.peer !== 'scripted' && calls.length) told(difference(answers.at(-1), calls.at(-1).answer, 'the answer'))
}

function told (difference) {
  if (difference !== undefined) throw new Deviation(difference)
}
