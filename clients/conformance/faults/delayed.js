// Each message between the client and the real service takes 300 ms.
import { isDeepStrictEqual } from 'node:util'
import { TcpProxy } from '../lib/tcp-proxy.js'

const DELAY = 300
const SOCKETS = 5

export default async function delayed (scene) {
  const service = await scene.services.service()
  const network = await new TcpProxy(service.address, { delay: DELAY }).open()
  scene.atEnd(() => network.close())
  const gatewayId = `delayed-${scene.kind}-${scene.client.language}`
  const subject = await scene.subject({ address: network.address, gatewayId })
  const cookie = await scene.services.login()
  const browsers = await Promise.all(Array.from({ length: SOCKETS }, () => scene.letIn(subject, cookie)))
  await scene.listed(service, gatewayId, SOCKETS)
  const { done } = await service.registry.send('gateway.gateway_id == params.gateway', { gateway: gatewayId }, 'news', [1])
  await scene.until(() => {
    const heard = browsers.filter(({ heard }) => heard.some(one => isDeepStrictEqual(one, { event: 'news', args: [1] })))
    return done === SOCKETS && heard.length === SOCKETS ? undefined : `${done} done, ${heard.length} browsers have heard`
  })
}
