// Every kind of step, by the member that a step of the kind has.
import * as browser from './browser.js'
import { handshake } from './handshake.js'
import * as store from './store.js'
import * as stream from './stream.js'
import * as subject from './subject.js'
import { setTimeout as sleep } from 'node:timers/promises'

export const verbs = { handshake, ...browser, ...store, ...stream, ...subject, repeat }

export function verbOf (step) {
  return Object.keys(step).find(name => Object.hasOwn(verbs, name))
}

export async function play (stage, step) {
  await verbs[verbOf(step)](stage, step)
}

async function repeat (stage, { repeat, every = 0, steps }) {
  for (let time = 0; time < repeat; time++) {
    stage.names.time = time
    for (const step of steps) await play(stage, step)
    await sleep(every)
  }
}
