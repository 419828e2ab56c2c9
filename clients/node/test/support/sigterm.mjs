// A process with a gateway, for what happens when it is told to end.
import { authorize } from 'socketpass'

const [address, settings, ownListener] = process.argv.slice(2)
const { pass } = authorize({ address, ...JSON.parse(settings) })
if (ownListener === 'true') {
  process.on('SIGTERM', () => setTimeout(() => process.exit(7), 100))
}
pass.on('userChanged', () => {})
console.log('ready')
