// Reads the cases and puts those together that one running subject can play one after the other.
import { readFile, readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { filled } from './match.js'
import { verbOf } from './steps/index.js'

const folder = new URL('../cases/', import.meta.url)
// cases/README.md says what each means.
const MEMBERS = [
  'name', 'promise', 'each', 'peers', 'over', 'languages', 'needs', 'once', 'fresh', 'unwelcome', 'alone', 'long', 'limit',
  'subject', 'service', 'tls', 'fault', 'with', 'steps'
]
const LIMIT = 60 // Seconds: on a machine that is busy a virtual machine alone takes ten to start.

export async function load () {
  const files = (await readdir(folder)).filter(name => name.endsWith('.json')).sort()
  const cases = await Promise.all(files.map(async file => {
    const { usual = {}, cases } = JSON.parse(await readFile(new URL(file, folder), 'utf8'))
    return cases.flatMap(one => expanded({ ...usual, ...one }, basename(file, '.json')))
  }))
  return cases.flat()
}

// A case for each row of `each`, and for each peer that it is played with.
function expanded ({ each = [{}], peers = ['scripted'], ...one }, file) {
  return each.flatMap(row => peers.map(peer => {
    const [value] = Object.values(row)
    const name = `${file}/${one.name}${value === undefined ? '' : `/${String(value).toLowerCase()}`}`
    return { limit: LIMIT, ...whole(filled(one, row), name), name, peer: one.fault ? 'real' : peer }
  }))
}

// A case that is one step has that step's members itself.
function whole (one, name) {
  const ofStep = Object.entries(one).filter(([member]) => !MEMBERS.includes(member))
  const rest = Object.fromEntries(Object.entries(one).filter(([member]) => MEMBERS.includes(member)))
  if (ofStep.length) rest.steps = [Object.fromEntries(ofStep), ...(rest.steps ?? [])]
  for (const step of allSteps(rest.steps ?? [])) {
    if (!verbOf(step)) throw new Error(`${name}: a step that does nothing: ${JSON.stringify(step)}`)
  }
  if (!rest.steps && !rest.fault) throw new Error(`${name}: there is nothing to play`)
  return rest
}

function allSteps (steps) {
  return steps.flatMap(step => [step, ...allSteps(step.steps ?? [])])
}

// Which of them concern a kind of a client. `first`: it is the client's first, which plays what has to be played once.
export function concerning (cases, { language, kinds, without = {} }, kind, first) {
  const lacks = without[kind] ?? {}
  return cases.filter(({ over, languages, needs, once }) => {
    return (!over || over.includes(kinds[kind])) && (!languages || languages.includes(language)) &&
      !Object.hasOwn(lacks, needs) && (!once || first)
  })
}

// Sets of cases with the same subject and the same socketpass.
export function sets (cases) {
  const sets = new Map()
  for (const one of cases) {
    const { peer, tls, service, subject, unwelcome, fresh, fault, alone } = one
    const key = JSON.stringify({ peer, tls, service, subject, alone, own: (fresh || unwelcome || fault) && one.name })
    if (!sets.has(key)) sets.set(key, { peer, tls, service, subject, unwelcome, alone, cases: [] })
    sets.get(key).cases.push(one)
  }
  return [...sets.values()]
}
