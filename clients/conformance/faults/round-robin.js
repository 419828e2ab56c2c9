// Two replicas behind one name: both are asked, one alone suffices, and one that comes back is asked again.
import { twoAddresses } from '../lib/replicas.js'

const HANDSHAKES = 16

export default async function roundRobin (scene) {
  const { name, hosts, port, addresses } = await twoAddresses(scene.services)
  const [one, other] = await Promise.all(addresses.map(address => scene.scriptedPeer({ host: address.split(':')[0], port })))
  const subject = await scene.subject({ address: name }, { hosts })
  const come = async () => {
    for (let time = 0; time < HANDSHAKES; time++) await scene.letIn(subject)
  }
  // The second connection may take a moment longer than the first.
  await scene.until(async () => {
    for (const peer of [one, other]) peer.record.forget()
    await come()
    const asked = [one, other].map(peer => peer.record.asked.length)
    return Math.min(...asked) >= HANDSHAKES / 4 ? undefined : `the replicas were asked ${asked.join(' and ')} times`
  })
  await other.close()
  await come()
  const again = await scene.scriptedPeer({ host: addresses[1].split(':')[0], port })
  await scene.until(async () => {
    await scene.letIn(subject)
    return again.record.asked.length ? undefined : 'the replica that came back is not asked'
  }, 15_000)
}
