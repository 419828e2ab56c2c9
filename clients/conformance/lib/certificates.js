// An authority and what it signs, made by openssl in a folder: for the service, for a gateway, for an admin.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './processes.js'

export async function certificates (folder) {
  const path = name => join(folder, name)
  const openssl = (...args) => run('openssl', args)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] // PKCS#8, which all languages read.
  const authority = name => openssl(
    'req', '-x509', ...key, '-keyout', path(`${name}.key`), '-out', path(`${name}.crt`), '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'
  )
  const signed = async (name, names, usage) => {
    const [request, extensions] = [path(`${name}.csr`), path(`${name}.ext`)]
    await writeFile(extensions, `subjectAltName=${names}\nextendedKeyUsage=${usage}\nbasicConstraints=CA:FALSE\n`)
    await openssl('req', '-new', ...key, '-keyout', path(`${name}.key`), '-out', request, '-subj', `/CN=${name}`)
    await openssl(
      'x509', '-req', '-in', request, '-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2',
      '-out', path(`${name}.crt`), '-extfile', extensions
    )
    return { cert: path(`${name}.crt`), key: path(`${name}.key`) }
  }
  await authority('ca')
  await authority('stranger')
  const files = { ca: path('ca.crt'), stranger: path('stranger.crt') }
  files.server = await signed('server', 'DNS:localhost,IP:127.0.0.1', 'serverAuth')
  files.gateway = await signed('gateway', 'DNS:gateway.test', 'clientAuth')
  files.admin = await signed('admin', 'DNS:admin.test', 'clientAuth')
  const read = async ({ cert, key }) => ({ cert: await readFile(cert), key: await readFile(key) })
  return { files, ca: await readFile(files.ca), server: await read(files.server), admin: await read(files.admin) }
}
