// The gateway is killed: nobody says goodbye for it.
const LEASE = 3 // Seconds.
const SOCKETS = 5

export default async function gatewayKilled (scene) {
  const service = await scene.socketpass({ 'registry.lease': `${LEASE}s` })
  const cookie = await scene.services.login()
  const subject = await scene.subject({ address: service.address, gatewayId: 'killed' })
  const browsers = await Promise.all(Array.from({ length: SOCKETS }, () => scene.letIn(subject, cookie)))
  await scene.listed(service, 'killed', SOCKETS)
  await subject.stop()
  const took = await scene.listed(service, 'killed', 0, (LEASE + 2) * 1_000)
  await scene.until(() => browsers.every(({ closed }) => closed) ? undefined : 'browsers do not notice')

  // The process that takes its place has the name at once.
  const next = await scene.subject({ address: service.address, gatewayId: 'killed' })
  await scene.letIn(next, cookie)
  await scene.listed(service, 'killed', 1)
  return `off the list after ${(took / 1_000).toFixed(1)} s`
}
