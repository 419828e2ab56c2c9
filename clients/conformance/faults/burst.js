// Very many come at once, from a process of their own, and are thrown out with one call.
import { fileURLToPath } from 'node:url'
import { lines, start, stop } from '../lib/processes.js'
import { text } from '../lib/match.js'
import { Deviation } from '../lib/until.js'

const crowd = fileURLToPath(new URL('../lib/crowd.js', import.meta.url))
const WITHIN = 120_000

export default async function burst (scene, { sockets, underWay }) {
  const service = await scene.socketpass()
  const cookie = await scene.services.login()
  const subject = await scene.subject({ address: service.address, gatewayId: 'burst' }, { manyFiles: true })
  const browsers = start('node', [crowd, text({ protocol: scene.protocol, port: subject.port, cookie, sockets, underWay })])
  scene.atEnd(() => stop(browsers))
  const told = {}
  lines(browsers.stdout, line => {
    Object.assign(told, JSON.parse(line))
    scene.happenings.happened()
  })
  await scene.until(() => told.accepted === undefined ? `they are not all there: ${text(told)}` : undefined, WITHIN)
  if (told.accepted !== sockets) throw new Deviation(`${told.accepted} of ${sockets} were let in: ${text(told.rejected)}`)
  const listed = await scene.listed(service, 'burst', sockets, WITHIN)
  if (told.closed) throw new Deviation(`${told.closed} sockets were closed`)
  const begun = performance.now()
  const everybody = 'gateway.gateway_id == params.gateway'
  const { done } = await service.registry.disconnect(everybody, { gateway: 'burst' }, { code: 4505, reason: 'disconnected' })
  if (done !== sockets) throw new Deviation(`${done} of ${sockets} were disconnected`)
  await scene.until(() => told.closed === sockets ? undefined : `${told.closed} of ${sockets} browsers hear it`)
  await scene.listed(service, 'burst', 0)
  const times = [told.ms, listed, performance.now() - begun].map(milliseconds => (milliseconds / 1_000).toFixed(1))
  return `open in ${times[0]} s, listed ${times[1]} s later, disconnected in ${times[2]} s`
}
