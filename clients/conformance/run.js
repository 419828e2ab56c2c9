// Holds the clients to clients/README.md. README.md says how it is used.
import { parseArgs } from 'node:util'
import { load } from './lib/cases.js'
import { build, find } from './lib/clients.js'
import { measure } from './lib/measure.js'
import { Report } from './lib/report.js'
import { runAll } from './lib/run.js'
import { Services } from './lib/services.js'

const { values: options } = parseArgs({
  options: {
    subject: { type: 'string', multiple: true, default: [] },
    kind: { type: 'string' },
    case: { type: 'string', multiple: true, default: [] },
    long: { type: 'boolean', default: false },
    measure: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    built: { type: 'boolean', default: false }
  }
})

const cases = (await load()).filter(({ name, long }) => {
  return (options.long || !long) && (!options.case.length || options.case.some(part => name.includes(part)))
})
if (options.list) {
  for (const { name, peer, promise } of cases) console.log(`${name} (${peer})${promise ? `: ${promise}` : ''}`)
  process.exit(0)
}

const report = new Report(options)
const services = new Services()
const clients = []
for (const client of await find(options.subject, options.measure)) {
  if (!client.found) {
    report.skip(client)
    continue
  }
  clients.push(client)
  for (const [kind, lacks] of Object.entries(client.without ?? {})) {
    for (const [promise, why] of Object.entries(lacks)) report.lacks({ language: client.language, kind, promise, why })
  }
  if (options.built) continue
  report.say(`building ${client.language}`)
  const begun = performance.now()
  await build(client).catch(({ message }) => {
    clients.pop()
    const failed = { text: message, log: [] }
    const seconds = (performance.now() - begun) / 1_000
    report.result({ language: client.language, kind: 'all kinds', name: 'build', peer: 'none', seconds, failed })
  })
}
try {
  if (options.measure) await measure(services, clients, options.kind, report)
  else await runAll(services, clients, cases, options.kind, result => report.result(result))
} finally {
  await services.stop()
}
process.exit(report.close())
