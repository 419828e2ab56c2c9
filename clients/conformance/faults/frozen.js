// The network goes without a word. The lease is so long that only HTTP/2's pings can tell.
import { TcpProxy } from '../lib/tcp-proxy.js'

export default async function frozen (scene) {
  const peer = await scene.scriptedPeer()
  peer.set({ lease: 3_600 })
  const network = await new TcpProxy(peer.address).open()
  scene.atEnd(() => network.close())
  const subject = await scene.subject({ address: network.address })
  const browser = await scene.letIn(subject)
  const whole = streams => scene.until(() => {
    const { length } = peer.record.streams
    const { completed, sockets } = peer.record.current ?? {}
    return length === streams && completed && sockets.size === 1 ? undefined : `${length} streams, no whole listing on the last`
  }, 22_000)
  await whole(1)
  const begun = performance.now()
  network.freeze()
  await whole(2)
  const seconds = (performance.now() - begun) / 1_000
  await scene.letIn(subject)
  scene.stayOpen([browser])
  return `noticed after ${seconds.toFixed(1)} s`
}
