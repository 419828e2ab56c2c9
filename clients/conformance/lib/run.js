// Plays sets of cases, some side by side, and tells what came of each.
import { Scene } from './scene.js'
import { Stage } from './stage.js'
import { hookDifference } from './steps/handshake.js'
import { play } from './steps/index.js'
import { Deviation } from './until.js'
import { concerning, sets } from './cases.js'

const SIDE_BY_SIDE = 8 // Most cases wait for something; two processors bear this many.
const LOG_LINES = 30

// `told` hears each result as it comes.
export async function runAll (services, clients, cases, kind, told) {
  const jobs = clients.flatMap(client => {
    const kinds = Object.keys(client.kinds).filter(name => !kind || name === kind)
    return kinds.flatMap((name, index) => {
      return sets(concerning(cases, client, name, index === 0)).map(set => ({ client, kind: name, set }))
    })
  })
  const one = ({ client, kind, set }) => runSet(services, client, kind, set, result => {
    told({ language: client.language, kind, peer: set.peer, ...result })
  })
  // What takes longest begins first.
  const length = ({ set }) => set.cases.reduce((sum, { limit }) => sum + limit, 0)
  const together = jobs.filter(({ set }) => !set.alone).sort((a, b) => length(b) - length(a))
  const worker = async () => {
    for (let job; (job = together.shift());) await one(job)
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker))
  for (const job of jobs.filter(({ set }) => set.alone)) await one(job)
}

async function runSet (services, client, kind, set, told) {
  if (set.cases[0].fault) return told(await timed(set.cases[0], () => runFault(services, client, kind, set.cases[0])))
  let stage
  for (const one of set.cases) {
    const result = await timed(one, async () => {
      try {
        stage ??= await new Stage(services, client, kind, set).open()
        await runCase(stage, one)
      } catch (error) {
        error.log = stage?.subject?.log.slice(stage.begun?.log ?? 0)
        throw error
      }
    })
    told(result)
    // After a failure, or at the subject's end, the next case begins with a new one.
    const renew = result.failed || stage.subject.ended || await stage.settle().then(() => false, () => true)
    if (renew) {
      await stage?.close()
      stage = undefined
    }
  }
  await stage?.close()
}

async function runCase (stage, { steps }) {
  if (!steps[0].refuses) await stage.ready()
  stage.begin()
  for (const [index, step] of steps.entries()) {
    try {
      await play(stage, step)
    } catch (error) {
      error.step = steps.length > 1 ? { number: index + 1, step } : undefined
      throw error
    }
  }
  const wrong = [...stage.violations(), ...[hookDifference(stage) ?? []].flat()]
  if (wrong.length) throw new Deviation(wrong.join('\n'))
}

async function runFault (services, client, kind, { fault, with: how = {} }) {
  const { default: play } = await import(`../faults/${fault}.js`)
  return await inScene(new Scene(services, client, kind), scene => play(scene, how))
}

// What fails in a scene has the log of its subjects.
export async function inScene (scene, play) {
  try {
    return await play(scene)
  } catch (error) {
    error.log = scene.subjects.flatMap(({ log }) => log)
    throw error
  } finally {
    await scene.close()
  }
}

// What came of it: `note` is what it has measured.
async function timed ({ name, limit }, play) {
  const begun = performance.now()
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(reject, limit * 1_000, new Deviation(`it is not over after ${limit} s`))
  })
  const played = play()
  played.catch(() => {}) // When it comes too late, nobody listens any more.
  let failed
  const note = await Promise.race([played, late]).catch(error => {
    failed = told(error)
  })
  clearTimeout(timer)
  return { name, seconds: (performance.now() - begun) / 1_000, note, failed }
}

export function told (error) {
  const text = error instanceof Deviation ? error.message : error.stack
  return { text, step: error.step, log: (error.log ?? []).slice(-LOG_LINES) }
}
