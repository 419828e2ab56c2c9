// The clients there are, and how their subjects are built and run.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { browsers } from './browsers/index.js'
import { run } from './processes.js'

// Promises that the library beneath a kind of server may make impossible to keep.
const LACKED = ['connect_error data', 'reconnection']
const LANGUAGES = ['node', 'python', 'go', 'java', 'rust']
const clients = fileURLToPath(new URL('../..', import.meta.url))

// `wanted`: languages, or folders of clients that are elsewhere. All when there are none. What is measured may be built
// otherwise.
export function find (wanted, measured) {
  return Promise.all((wanted.length ? wanted : LANGUAGES).map(async name => {
    const folder = LANGUAGES.includes(name) ? join(clients, name) : resolve(name)
    const file = join(folder, 'conformance/subject.json')
    if (!existsSync(file)) return { language: name, folder }
    const described = JSON.parse(await readFile(file, 'utf8'))
    for (const protocol of Object.values(described.kinds)) {
      if (!browsers[protocol]) throw new Error(`${file}: browsers do not speak ${protocol}`)
    }
    for (const [kind, lacks] of Object.entries(described.without ?? {})) {
      if (!described.kinds[kind]) throw new Error(`${file}: without: there is no kind ${kind}`)
      for (const lacked of Object.keys(lacks)) {
        if (!LACKED.includes(lacked)) throw new Error(`${file}: without: ${lacked} can be had by all`)
      }
    }
    return { ...described, ...(measured ? described.measure : {}), folder, found: true }
  }))
}

export async function build ({ folder, build }) {
  for (const [command, ...args] of build) await run(command, args, { cwd: folder })
}
