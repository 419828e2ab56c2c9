// What an Authorize costs a client, in CPU time of its whole process.
import { Scene } from './scene.js'

const WARM_UP = { calls: 5_000, concurrency: 16 }
const MEASURED = { calls: 20_000, concurrency: 16 }
const WITHIN = 120_000

export async function measure (services, clients, kind, report) {
  const service = await services.service()
  const cookie = await services.login()
  for (const client of clients) {
    const scene = new Scene(services, client, kind ?? Object.keys(client.kinds)[0])
    try {
      const subject = await scene.subject({ address: service.address })
      await subject.ask({ do: 'authorize', cookie, ...WARM_UP }, WITHIN)
      const answer = await subject.ask({ do: 'authorize', cookie, ...MEASURED }, WITHIN)
      report.measured({ language: client.language, kind: scene.kind, ...answer })
    } finally {
      await scene.close()
    }
  }
}
