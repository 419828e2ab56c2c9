// One of two replicas is stopped, and then the other, while people come all the time.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { twoAddresses } from '../lib/replicas.js'

const A_WHILE = 1_000
const BACK_WITHIN = 15_000

export default async function drained (scene) {
  const { name, hosts, addresses } = await twoAddresses(scene.services)
  const shared = { 'registry.prefix': `${randomUUID()}:` }
  const [one, other] = await Promise.all(addresses.map(address => scene.socketpass(shared, { address })))
  const cookie = await scene.services.login()
  const subject = await scene.subject({ address: name, gatewayId: 'drained' }, { hosts })

  const browsers = []
  let coming = true
  const come = async () => {
    while (coming) {
      browsers.push(await scene.letIn(subject, cookie))
      await sleep(20)
    }
  }
  const people = Promise.all([come(), come()])
  people.catch(() => {}) // It is awaited below.
  for (const [leaving, staying] of [[one, other], [other, one]]) {
    await Promise.race([sleep(A_WHILE), people])
    await leaving.drain()
    await Promise.race([sleep(A_WHILE), people])
    const open = browsers.length
    await scene.until(async () => {
      const { total, view } = await staying.registry.count('drained')
      if (total < open) return `${total} of ${open} sockets are listed by the replica that stays`
      return view.incomplete_gateways.includes('drained') ? 'the gateway is late' : undefined
    })
    await leaving.start()
    // Nobody stops the last replica that gateways are connected to: they come back to the other first.
    await Promise.race([people, scene.until(async () => {
      return await leaving.metric('socketpass_decisions_total') ? undefined : 'the replica that came back is not asked'
    }, BACK_WITHIN)])
  }
  coming = false
  await people
  await Promise.all([one, other].map(service => scene.listed(service, 'drained', browsers.length)))
  scene.stayOpen(browsers)
  return `${browsers.length} handshakes`
}
