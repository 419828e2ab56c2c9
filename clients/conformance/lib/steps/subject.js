// What the subject is asked, what it says, and how it ends.
import { setTimeout as sleep } from 'node:timers/promises'
import { difference, text } from '../match.js'
import { START_WITHIN } from '../subject.js'
import { Deviation } from '../until.js'

// `within`: asked again until the answer is as expected, for what takes a moment. Else it is asked once.
export async function ask (stage, { ask, answer, within = 0 }) {
  const missing = async () => difference(stage.fill(answer), await stage.subject.ask(stage.fill(ask)), 'the answer')
  await stage.until(missing, within)
}

export async function says (stage, { says, within }) {
  const expected = stage.fill(says)
  await stage.until(() => {
    const said = stage.subject.said
    const index = said.findIndex((one, index) => index >= stage.heardUpTo && difference(expected, one) === undefined)
    if (index < 0) return `expected ${text(expected)} of the subject, among ${text(said.slice(stage.heardUpTo))}`
    stage.heardUpTo = index + 1
  }, within)
}

// A line of its log, in any case of letters, since the case last looked.
export async function log (stage, { log, within }) {
  const pattern = new RegExp(log, 'i')
  await stage.until(() => {
    if (stage.subject.log.slice(stage.logUpTo).some(line => pattern.test(line))) return
    return `the log says nothing about ${log}`
  }, within)
  stage.logUpTo = stage.subject.log.length
}

// No such line since then.
export async function quiet (stage, { quiet }) {
  const line = stage.subject.log.slice(stage.logUpTo).find(line => new RegExp(quiet, 'i').test(line))
  if (line) throw new Deviation(`the log says again: ${line}`)
}

export async function signal (stage, { signal }) {
  stage.subject.signal(signal)
}

export async function exits (stage, { exits, within = 10_000 }) {
  await stage.until(() => stage.subject.ended ? undefined : 'the subject does not end', within)
  const { status, signal } = stage.subject.ended
  if (status !== exits) throw new Deviation(`the subject ended with ${text({ status, signal })} instead of status ${exits}`)
}

// The client cannot be made, and says with which setting that is so.
export async function refuses (stage, { refuses }) {
  await stage.until(() => {
    if (stage.subject.listening) throw new Deviation('the client was made all the same')
    return stage.subject.ended ? undefined : 'the subject does not end'
  }, START_WITHIN)
  const { message } = stage.subject.since(0, 'error')[0] ?? {}
  const { status } = stage.subject.ended
  const wrong = difference({ $match: refuses }, message?.toLowerCase(), 'the error') ?? difference(1, status, 'status')
  if (wrong !== undefined) throw new Deviation(wrong)
}

export async function wait (_stage, { wait }) {
  await sleep(wait)
}
