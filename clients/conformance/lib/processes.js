// Processes that the runner starts. Whatever was started is stopped, also when the runner is interrupted.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const running = new Set()

// Each leads a group of its own, so that what it starts itself ends with it.
export function start (command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, detached: true })
  child.log = []
  child.ended = new Promise(resolve => {
    child.once('error', error => {
      child.log.push(error.message)
      resolve({ status: null, error })
    })
    child.once('close', (status, signal) => resolve({ status, signal })) // And all that it said has been read.
  })
  running.add(child)
  child.ended.then(() => running.delete(child))
  lines(child.stderr, line => child.log.push(line))
  return child
}

export function lines (stream, heard) {
  createInterface({ input: stream }).on('line', heard)
}

// To the whole group. One that is gone already needs no signal.
export function signal (child, name) {
  try {
    if (child.pid) process.kill(-child.pid, name)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

export async function stop (child, name = 'SIGKILL') {
  signal(child, name)
  const late = setTimeout(() => signal(child, 'SIGKILL'), 10_000)
  const end = await child.ended
  clearTimeout(late)
  return end
}

// Runs a command to its end; its output is told when it fails.
export async function run (command, args, options) {
  const child = start(command, args, options)
  const output = []
  lines(child.stdout, line => output.push(line))
  const { status } = await child.ended
  if (status === 0) return output.join('\n')
  throw new Error([`${[command, ...args].join(' ')}: status ${status}`, ...output, ...child.log].slice(-40).join('\n'))
}

process.on('exit', () => {
  for (const child of running) signal(child, 'SIGKILL')
})
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => process.exit(130))
