// The subject is there before its socketpass.
import { freePort } from '../lib/services.js'
import { Deviation } from '../lib/until.js'

const WHOLE_WITHIN = 12_000

export default async function late (scene) {
  const address = `127.0.0.1:${await freePort()}`
  const subject = await scene.subject({ address, gatewayId: 'early' })
  const cookie = await scene.services.login()
  const browser = await scene.browser(subject, cookie)
  if (browser.accepted) throw new Deviation('somebody is let in without a decision')
  const service = await scene.socketpass({}, { address })
  await scene.letInAtLast(subject, cookie, WHOLE_WITHIN)
  const took = await scene.listed(service, 'early', 1, WHOLE_WITHIN)
  return `listed after ${(took / 1_000).toFixed(1)} s`
}
