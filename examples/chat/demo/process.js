// A program that runs beside others: its lines are shown with its name before them.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

// A Java server may take that long on a busy machine.
const READY_WITHIN = 120_000
const ENDS_WITHIN = 15_000

export class Process {
  #child
  #name
  #stopping = false

  /** `folder`, `env` and `run` (the program and what it is given) say what to start, `say` is told its lines. */
  constructor ({ name, folder, run: [program, ...args], env }, say) {
    this.#name = name
    // A group of its own: Ctrl-C reaches the demo alone, which then stops all in order.
    this.#child = spawn(program, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', line => say(name, line))
    }
    this.ended = once(this.#child, 'exit').then(
      ([status, signal]) => signal ?? `status ${status}`,
      error => error.message
    )
    this.ended.then(how => { if (!this.#stopping) say(name, `ended with ${how}`) })
  }

  /** Waits until somebody listens at the port. */
  async ready (port) {
    const abort = new AbortController()
    const ended = this.ended.then(how => { throw new Error(`${this.#name} ended with ${how}`) })
    const listening = (async () => {
      const deadline = Date.now() + READY_WITHIN
      while (!abort.signal.aborted && !await isListening(port)) {
        if (Date.now() > deadline) throw new Error(`${this.#name} does not listen on port ${port}`)
        await sleep(50)
      }
    })()
    try {
      await Promise.race([listening, ended])
    } finally {
      abort.abort()
    }
  }

  async stop () {
    this.#stopping = true
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), ENDS_WITHIN)
    await this.ended
    clearTimeout(late)
  }
}

export function isListening (port, host = '127.0.0.1') {
  return new Promise(resolve => {
    const socket = connect({ port, host })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Whether nobody has the port. */
export async function isFree (port) {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/** One of those that no system gives to outgoing connections: it is free still when it is used. */
export async function freePort () {
  for (;;) {
    const port = randomInt(10_000, 30_000)
    if (await isFree(port)) return port
  }
}
