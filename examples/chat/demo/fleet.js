// Starts Redis, Express, socketpass and the five servers, and stops them.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build, NotBuilt } from './build.js'
import { freePort, isFree, isListening, Process } from './process.js'
import { chat, npmCi, repository, rooms, target } from './rooms.js'

// Programs are started in folders of their own, where a path from here leads elsewhere.
const given = process.env.SOCKETPASS_BIN && resolve(process.env.SOCKETPASS_BIN)

export class Fleet {
  #processes = []
  #temporary = mkdtempSync(join(tmpdir(), 'socketpass-chat-'))
  #secret = randomBytes(32).toString('hex')
  #stopped = false
  #settings
  #say
  #log

  /**
   * `port` is the page's, the rooms have those that follow; `address` is where socketpass listens; `redis` is a URL, where
   * a Redis is started if there is none; `sessionSeconds` is how long a login lasts without a request, by default as long as
   * Express' sessions do. `say` is told what goes on, `log` what the programs print.
   */
  constructor ({ port, address, redis, sessionSeconds }, { say, log }) {
    this.#settings = { port, address, redis, sessionSeconds }
    this.#say = say
    this.#log = log
    this.url = `http://127.0.0.1:${port}/`
  }

  /** Answers which rooms are there, and which are left out and why. */
  async start () {
    const { port, address, sessionSeconds } = this.#settings
    const at = /^[^:[\]]+:(\d+)$/.exec(address)
    if (!at) throw new Error(`SOCKETPASS_ADDR takes HOST:PORT; it is ${address}`)
    if (!(port >= 1 && port + rooms.length <= 65_535)) {
      throw new Error(`PORT takes a number up to ${65_535 - rooms.length}: the ${rooms.length} ports after it are the rooms'`)
    }
    if (given && !existsSync(given)) {
      throw new Error(`SOCKETPASS_BIN names ${given}, where nothing is`)
    }
    const ports = [port, ...rooms.map((_, index) => port + 1 + index), Number(at[1])]
    for (const port of ports) {
      if (!await isFree(port)) {
        throw new Error(`port ${port} is taken: end what listens there, or give other ports (README.md). After a server that \
was stopped the system can hold its port for a minute.`)
      }
    }
    const { built, left } = await this.#build()
    await this.#startRedis()
    await this.startExpress(port, sessionSeconds)
    const tokens = await this.#startSocketpass()
    await Promise.all(built.map(room => this.#startRoom(room, tokens)))
    return { rooms: built.map(({ name }) => name), left }
  }

  async stop () {
    this.#stopped = true
    // Servers say goodbye to socketpass, and Express closes its sessions: the last that was started goes first.
    const started = this.#processes.splice(0)
    const services = started.filter(({ room }) => !room).reverse()
    await Promise.all(started.filter(({ room }) => room).map(({ process }) => process.stop()))
    for (const { process } of services) await process.stop()
    rmSync(this.#temporary, { recursive: true, force: true })
  }

  async #build () {
    await build({ name: 'express', needs: ['npm'], steps: [npmCi(join(repository, 'examples/express-app'))] }, this.#say)
    if (!given) {
      const command = ['cargo', 'build', '--release', '--locked']
      await build({ name: 'socketpass', needs: ['cargo'], steps: [{ folder: repository, command }] }, this.#say)
    }
    const built = []
    const left = []
    for (const room of rooms) {
      try {
        await build(room, this.#say)
        built.push(room)
      } catch (error) {
        if (!(error instanceof NotBuilt)) throw error
        left.push({ name: room.name, why: error.message })
        this.#say(`${room.name} is LEFT OUT: ${error.message}`)
      }
    }
    return { built, left }
  }

  async #startRedis () {
    const { hostname, port: text } = new URL(this.#settings.redis)
    const port = Number(text || 6379)
    if (await isListening(port, hostname)) return
    const run = ['redis-server', '--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--loglevel', 'warning']
    await this.#run({ name: 'redis', folder: this.#temporary, run, port })
  }

  /** The web app. Another one, at another port, has the same people and the same sessions. */
  async startExpress (port, sessionSeconds) {
    const env = {
      PORT: `${port}`,
      REDIS_URL: this.#settings.redis,
      SESSION_SECRET: this.#secret,
      PUBLIC_FOLDER: join(chat, 'page'),
      ...(sessionSeconds && { SESSION_SECONDS: `${sessionSeconds}` })
    }
    const run = ['node', 'app.js']
    await this.#run({ name: 'express', folder: join(repository, 'examples/express-app'), run, env, port })
  }

  async #startSocketpass () {
    const program = given || join(target, 'release/socketpass')
    // One token for the servers, and one for who throws people out.
    const [gateway, admin] = ['gateway', 'admin'].map(role =>
      JSON.parse(execFileSync(program, ['token', '--json', '--name', role, '--role', role])))
    const tokensFile = join(this.#temporary, 'tokens')
    writeFileSync(tokensFile, [gateway, admin].map(({ settings }) => `${JSON.stringify(settings)}\n`).join(''))

    const { port, address, redis } = this.#settings
    const run = [program, 'serve', '--log-format', 'text', '--log-filter', 'warn']
    const env = {
      SOCKETPASS_GRPC_ADDR: address,
      SOCKETPASS_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
      SOCKETPASS_SESSION_SECRETS: this.#secret,
      SOCKETPASS_SESSION_STORE: redis,
      // Sockets that another site's pages open with somebody's cookie are turned away.
      SOCKETPASS_SESSION_ALLOWED_ORIGINS: JSON.stringify([`http://127.0.0.1:${port}`, `http://localhost:${port}`]),
      SOCKETPASS_CALLERS_TOKENS_FILE: tokensFile
    }
    await this.#run({ name: 'socketpass', folder: this.#temporary, run, env, port: Number(address.split(':')[1]) })
    return { SOCKETPASS_TOKEN: gateway.token, SOCKETPASS_ADMIN_TOKEN: admin.token }
  }

  async #startRoom (room, { SOCKETPASS_TOKEN, SOCKETPASS_ADMIN_TOKEN }) {
    const port = this.#settings.port + 1 + rooms.indexOf(room)
    const env = { PORT: `${port}`, SOCKETPASS_ADDR: this.#settings.address, SOCKETPASS_TOKEN }
    if (room.name === 'node') env.SOCKETPASS_ADMIN_TOKEN = SOCKETPASS_ADMIN_TOKEN
    await this.#run({ ...room, env, port, room: true })
  }

  async #run ({ name, folder, run, env, port, room = false }) {
    if (this.#stopped) throw new Error('stopped')
    // Settings that this shell happens to have are not the demo's.
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SOCKETPASS|SESSION)_/.test(name)))
    const started = new Process({ name, folder, run, env: { ...inherited, HOST: '127.0.0.1', NO_COLOR: '1', ...env } }, this.#log)
    this.#processes.push({ process: started, room })
    await started.ready(port)
    this.#say(`${name.padEnd(10)} is at 127.0.0.1:${port}`)
  }
}
