// Real processes for what is measured and for the suite of the move: a Redis, a socketpass, each on a free port.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

export const SECRET = 'keyboard cat'

const running = new Set()

// Whatever ends this process, what it started ends with it.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** Ends all that was started here. */
export async function stopAll () {
  await Promise.all([...running].map(stop => stop()))
}

export async function redisServer () {
  const port = await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'socketpass-redis-'))
  const process = start('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', directory])
  const stop = async () => {
    running.delete(stop)
    await end(process)
    await rm(directory, { recursive: true, force: true })
  }
  running.add(stop)
  await line(process.stdout, /Ready to accept connections/)
  return { url: `redis://127.0.0.1:${port}`, stop }
}

/** The program of `SOCKETPASS_BIN`. `settings` are its own: `session.secrets` is `SOCKETPASS_SESSION_SECRETS`. */
export async function socketpass (settings) {
  const { SOCKETPASS_BIN } = globalThis.process.env
  if (!SOCKETPASS_BIN) throw new Error('SOCKETPASS_BIN is not set: it names the socketpass program')
  if (SOCKETPASS_BIN.includes('/') && !existsSync(SOCKETPASS_BIN)) {
    throw new Error(`SOCKETPASS_BIN names no program: there is no ${resolve(SOCKETPASS_BIN)}`)
  }
  const port = settings.port ?? await freePort()
  const environment = {
    SOCKETPASS_GRPC_ADDR: `127.0.0.1:${port}`,
    SOCKETPASS_HTTP_ADDR: '127.0.0.1:0',
    SOCKETPASS_SESSION_SECRETS: SECRET,
    SOCKETPASS_LOG_FORMAT: 'json',
    ...settings.environment
  }
  const process = start(SOCKETPASS_BIN, ['serve'], environment)
  const stop = async () => {
    running.delete(stop)
    await end(process)
  }
  running.add(stop)
  await accepts(port, process)
  return { address: `127.0.0.1:${port}`, port, stop }
}

function start (program, args, environment = {}) {
  const child = spawn(program, args.map(String), {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', globalThis.process.env.VERBOSE ? 'inherit' : 'ignore']
  })
  child.on('error', error => { throw error })
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  child.on('exit', () => process.off('exit', kill))
  return child
}

async function end (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function line (stream, pattern) {
  for await (const text of createInterface({ input: stream })) {
    if (pattern.test(text)) {
      stream.resume()
      return text
    }
  }
  throw new Error(`ended without ${pattern}`)
}

async function accepts (port, child) {
  const { connect } = await import('node:net')
  for (;;) {
    if (child.exitCode !== null) throw new Error(`socketpass ended with status ${child.exitCode}; VERBOSE=1 shows why`)
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise(resolve => {
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

// One of those that no system gives to outgoing connections: it is free still when it is used.
async function freePort () {
  for (;;) {
    const port = randomInt(10_000, 30_000)
    const server = createServer()
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      return port
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error
    } finally {
      server.close()
    }
  }
}
