// What is real: Redis, the Express app that people log in with, and socketpass itself.
import { createHmac, randomBytes, randomInt, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { certificates } from './certificates.js'
import { lines, run, start, stop } from './processes.js'
import { Registry } from './registry.js'

const SECRET = 'the secret of the conformance runs'
const START_WITHIN = 30_000
const root = fileURLToPath(new URL('../../..', import.meta.url))
const built = ['release', 'debug'].map(profile => join(root, 'target', profile, 'socketpass'))
const program = process.env.SOCKETPASS_BIN ?? built.find(existsSync)

export class Services {
  constructor () {
    if (!program) throw new Error('there is no socketpass: build it, or name it with SOCKETPASS_BIN')
  }

  #shared = new Map() // By what they are and how they are set; started when somebody asks.

  // What all cases share is started once.
  #once (name, make) {
    if (!this.#shared.has(name)) this.#shared.set(name, make())
    return this.#shared.get(name)
  }

  async stop () {
    for (const one of await Promise.allSettled(this.#shared.values())) await one.value?.stop?.()
  }

  folder () {
    return this.#once('folder', async () => {
      const path = await mkdtemp(join(tmpdir(), 'socketpass-conformance-'))
      return { path, stop: () => rm(path, { recursive: true, force: true }) }
    })
  }

  // Authority, server and client certificates, as files and as they are read.
  certificates () {
    return this.#once('certificates', async () => certificates((await this.folder()).path))
  }

  // The tokens of a gateway and of an admin, and the file that lets them in.
  tokens () {
    return this.#once('tokens', async () => {
      const make = role => run(program, ['token', '--json', '--name', role, '--role', role]).then(JSON.parse)
      const [gateway, admin] = await Promise.all(['gateway', 'admin'].map(make))
      const file = join((await this.folder()).path, 'tokens')
      await writeFile(file, [gateway, admin].map(({ settings }) => JSON.stringify(settings)).join('\n') + '\n', { mode: 0o600 })
      return { gateway: gateway.token, admin: admin.token, file }
    })
  }

  redis () {
    return this.#once('redis', async () => {
      const port = await freePort()
      const child = start('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'])
      await heard(child, 'Ready to accept connections')
      const ask = (...command) => run('redis-cli', ['-p', port, ...command])
      return { url: `redis://127.0.0.1:${port}`, ask, stop: () => stop(child) }
    })
  }

  express () {
    return this.#once('express', async () => {
      const cwd = join(root, 'examples/express-app')
      if (!existsSync(join(cwd, 'node_modules'))) await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd })
      const { url } = await this.redis()
      const env = { ...process.env, PORT: '0', REDIS_URL: url, SESSION_SECRET: SECRET }
      const child = start('node', ['app.js'], { cwd, env })
      const line = await heard(child, 'listening on ')
      return { url: line.slice(line.indexOf('http')), stop: () => stop(child) }
    })
  }

  // Somebody logs in as people do; the cookie that their browser has then.
  async login (username = 'ana') {
    const { url } = await this.express()
    const body = new URLSearchParams({ username, password: `correct horse ${username}` })
    const { status, headers } = await fetch(`${url}/login`, { method: 'POST', body, redirect: 'manual' })
    if (status !== 303) throw new Error(`the login of ${username} was answered with ${status}`)
    return headers.getSetCookie()[0].split(';')[0]
  }

  // A session as connect-redis would keep it; its id, and the cookie that names it. It is in Redis if `kept` says so.
  async session (content, kept) {
    const id = randomBytes(24).toString('base64url')
    if (kept) await this.keep(id, content)
    const signature = createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')
    return { id, cookie: `connect.sid=${encodeURIComponent(`s:${id}.${signature}`)}`, signed: `s:${id}.${signature}` }
  }

  // The session is this from now on; null: it is destroyed.
  async keep (id, content) {
    const { ask } = await this.redis()
    if (content === null) await ask('DEL', `sess:${id}`)
    else await ask('SET', `sess:${id}`, typeof content === 'string' ? content : JSON.stringify({ cookie: {}, ...content }))
  }

  // A running socketpass, one for all cases that want the same settings.
  service (settings = {}, tls) {
    return this.#once(`socketpass ${tls} ${JSON.stringify(settings)}`, () => this.socketpass(settings, { tls }))
  }

  // A socketpass of one's own, on `address` if it is to be a certain one.
  async socketpass (settings = {}, { address, tls } = {}) {
    const redis = await this.redis()
    const given = {
      'session.store': redis.url,
      // That the machine has other things to do is no fault of the store's.
      'session.store_timeout': '10s',
      'session.secrets': [SECRET],
      'registry.store': redis.url,
      'registry.prefix': `${randomUUID()}:`,
      'grpc.addr': address ?? `127.0.0.1:${await freePort()}`,
      'http.addr': `127.0.0.1:${await freePort()}`,
      'log.format': 'text',
      ...settings
    }
    const asker = {}
    if (tls) {
      const { files, ca, admin } = await this.certificates()
      Object.assign(given, { 'tls.cert_file': files.server.cert, 'tls.key_file': files.server.key })
      asker.tls = { ca }
      if (tls === 'mutual') {
        Object.assign(given, {
          'tls.client_ca_file': files.ca,
          'tls.client_certs': 'required',
          'callers.certificates': [{ name: 'gateway.test', role: 'gateway' }, { name: 'admin.test', role: 'admin' }]
        })
        asker.tls = { ca, ...admin }
      }
    }
    if (given['callers.tokens_file']) asker.token = (await this.tokens()).admin
    return new Socketpass(given, asker).start()
  }
}

export class Socketpass {
  constructor (settings, asker) {
    this.settings = settings
    this.address = settings['grpc.addr']
    this.registry = new Registry(this.address, asker)
  }

  // Again, where it was and as it was, after it has been stopped.
  async start () {
    const named = Object.entries(this.settings).map(([name, value]) => {
      const variable = `SOCKETPASS_${name.toUpperCase().replace('.', '_')}`
      return [variable, typeof value === 'string' ? value : JSON.stringify(value)]
    })
    this.child = start(program, ['serve'], { env: { PATH: process.env.PATH, ...Object.fromEntries(named) } })
    this.child.stdout.resume()
    await this.ready()
    return this
  }

  async ready () {
    const end = performance.now() + START_WITHIN
    for (;;) {
      const ready = await fetch(`http://${this.settings['http.addr']}/readyz`).then(({ ok }) => ok, () => false)
      if (ready) return
      if (performance.now() > end || this.child.exitCode !== null) {
        throw new Error(['socketpass does not start', ...this.child.log.slice(-20)].join('\n'))
      }
      await sleep(20)
    }
  }

  // A figure of its metrics, summed over the labels that match.
  async metric (name, labels = '') {
    const text = await (await fetch(`http://${this.settings['http.addr']}/metrics`)).text()
    const found = text.split('\n').filter(line => line.startsWith(name) && line.includes(labels))
    return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  kill () {
    return stop(this.child)
  }

  drain () {
    return stop(this.child, 'SIGTERM')
  }

  async stop () {
    this.registry.close()
    await this.kill()
  }
}

// A port that is free on all these addresses, of those that no system gives to outgoing connections: it is free still when
// it is used, and when its process starts again.
export async function freePort (hosts = ['127.0.0.1']) {
  for (;;) {
    const port = randomInt(10_000, 30_000)
    const servers = []
    try {
      for (const host of hosts) {
        const server = createServer()
        await new Promise((resolve, reject) => {
          server.once('error', reject)
          server.listen(port, host, resolve)
        })
        servers.push(server)
      }
      return port
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error
    } finally {
      for (const server of servers) server.close()
    }
  }
}

function heard (child, text) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(reject, START_WITHIN, new Error(`${child.spawnfile} does not start`))
    lines(child.stdout, line => {
      if (!line.includes(text)) return
      clearTimeout(late)
      resolve(line)
    })
    child.ended.then(({ status }) => reject(new Error([`${child.spawnfile} ended: ${status}`, ...child.log].join('\n'))))
  })
}
