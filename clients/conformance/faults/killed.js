// socketpass is killed, and is there again after some seconds.
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { text } from '../lib/match.js'
import { Deviation } from '../lib/until.js'

const SOCKETS = 5
const WHOLE_WITHIN = 12_000 // The longest pause is 5 s, and two of them can follow on each other.

export default async function killed (scene, { seconds }) {
  const service = await scene.socketpass()
  const { address } = service
  const cookie = await scene.services.login()
  const [strict, lenient] = await Promise.all([
    scene.subject({ address, gatewayId: 'strict' }),
    scene.subject({ address, gatewayId: 'lenient', onUnavailable: 'accept' })
  ])
  const crowd = subject => Promise.all(Array.from({ length: SOCKETS }, () => scene.letIn(subject, cookie)))
  const open = (await Promise.all([strict, lenient].map(crowd))).flat()
  await scene.listed(service, 'strict', SOCKETS)
  await scene.listed(service, 'lenient', SOCKETS)

  await service.kill()
  const over = performance.now() + seconds * 1_000
  const [rejected, stranger] = await Promise.all([scene.browser(strict, cookie), scene.letIn(lenient, cookie)])
  if (!rejected.rejected) throw new Deviation('somebody new is let in without onUnavailable')
  const { user } = stranger
  if (!isDeepStrictEqual(user, { logged_in: false })) throw new Deviation(`who is let in unasked is ${text(user)}`)
  await sleep(Math.max(0, over - performance.now()))
  scene.stayOpen([...open, stranger])

  await service.start()
  const times = await Promise.all([
    scene.listed(service, 'strict', SOCKETS, WHOLE_WITHIN),
    scene.listed(service, 'lenient', SOCKETS + 1, WHOLE_WITHIN)
  ])
  await scene.letInAtLast(strict, cookie, WHOLE_WITHIN)
  scene.stayOpen([...open, stranger])
  return `whole ${(Math.max(...times) / 1_000).toFixed(1)} s after the start`
}
