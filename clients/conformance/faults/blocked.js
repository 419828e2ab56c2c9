// The subject's process stands still for some seconds, as one does whose event loop is blocked.
import { setTimeout as sleep } from 'node:timers/promises'
import { Deviation } from '../lib/until.js'

const SOCKETS = 5

export default async function blocked (scene, { lease, seconds }) {
  const service = await scene.socketpass({ 'registry.lease': lease })
  const cookie = await scene.services.login()
  const subject = await scene.subject({ address: service.address, gatewayId: 'blocked' })
  const browsers = await Promise.all(Array.from({ length: SOCKETS }, () => scene.letIn(subject, cookie)))
  await scene.listed(service, 'blocked', SOCKETS)
  subject.signal('SIGSTOP')
  scene.atEnd(() => subject.signal('SIGCONT'))
  await sleep(seconds * 1_000)
  const { total } = await service.registry.count('blocked')
  const within = parseInt(lease) > seconds
  if (within && total !== SOCKETS) throw new Deviation(`${total} sockets are listed within the lease`)
  subject.signal('SIGCONT')
  const took = await scene.listed(service, 'blocked', SOCKETS)
  scene.stayOpen(browsers)
  await scene.letIn(subject, cookie)
  await scene.listed(service, 'blocked', SOCKETS + 1)
  return `${total} listed meanwhile, whole after ${(took / 1_000).toFixed(1)} s`
}
