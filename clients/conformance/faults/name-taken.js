// Two processes have one name: the second authorizes all the same, and reports when the first has gone.
const LEASE = 3 // Seconds.

export default async function nameTaken (scene) {
  const service = await scene.socketpass({ 'registry.lease': `${LEASE}s` })
  const cookie = await scene.services.login()
  const settings = { address: service.address, gatewayId: 'twin' }
  const first = await scene.subject(settings)
  await scene.letIn(first, cookie)
  await scene.listed(service, 'twin', 1)

  const second = await scene.subject(settings)
  await Promise.all([scene.letIn(second, cookie), scene.letIn(second, cookie)])
  await scene.until(() => {
    return second.log.some(line => /gateway.?id/i.test(line)) ? undefined : 'the log of the second does not name the setting'
  })
  await scene.listed(service, 'twin', 1)

  first.signal('SIGTERM')
  await scene.until(() => first.ended ? undefined : 'the first does not end', 10_000)
  // The longest pause may have begun.
  const took = await scene.listed(service, 'twin', 2, 5_000 + LEASE * 1_000)
  return `the second listed ${(took / 1_000).toFixed(1)} s after the first had gone`
}
