// Two addresses behind one name, which only the subject knows.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './services.js'

const NAME = 'socketpass.test'
const HOSTS = ['127.0.0.1', '127.0.0.2']

// The port is the same at both, as behind a DNS name.
export async function twoAddresses (services) {
  const port = await freePort(HOSTS)
  const hosts = join((await services.folder()).path, 'hosts')
  await writeFile(hosts, ['127.0.0.1 localhost', ...HOSTS.map(host => `${host} ${NAME}`), ''].join('\n'))
  return { name: `${NAME}:${port}`, port, hosts, addresses: HOSTS.map(host => `${host}:${port}`) }
}
