// At first connections are taken and nobody is behind them. Nothing ends them, and only time can tell.
import { TcpProxy } from '../lib/tcp-proxy.js'

const SWALLOWED = 2_000
const NOTICED_WITHIN = 20_000

export default async function swallowed (scene) {
  const peer = await scene.scriptedPeer()
  const network = await new TcpProxy(peer.address).open()
  scene.atEnd(() => network.close())
  network.swallow(true)
  const subject = await scene.subject({ address: network.address })
  await new Promise(resolve => setTimeout(resolve, SWALLOWED))
  network.swallow(false)
  const begun = performance.now()
  await scene.until(() => peer.record.current?.completed ? undefined : 'there is no stream', NOTICED_WITHIN)
  const seconds = (performance.now() - begun) / 1_000
  await scene.letInAtLast(subject, undefined, NOTICED_WITHIN)
  return `noticed after ${seconds.toFixed(1)} s`
}
