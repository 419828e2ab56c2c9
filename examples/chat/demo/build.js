// Builds what the demo starts, step by step, and says what is going on.
import { spawn, spawnSync } from 'node:child_process'
import { statSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

/** Why a room cannot be built. */
export class NotBuilt extends Error {}

/** Builds one thing. What its tools print is shown as it comes. */
export async function build ({ name, needs, steps }, say) {
  for (const program of needs) {
    const missing = spawnSync(program, ['--version']).error?.code === 'ENOENT'
    if (missing) throw new NotBuilt(`${program} is not installed`)
  }
  for (const step of steps.filter(isDue)) {
    say(`${name}: ${step.command.join(' ')}`)
    await call(step)
    // Not every tool writes a file that is the same as before.
    if (step.makes) utimesSync(join(step.folder, step.makes), new Date(), new Date())
  }
}

function isDue ({ folder, makes, from }) {
  if (!makes) return true
  const made = statSync(join(folder, makes), { throwIfNoEntry: false })?.mtimeMs
  return made === undefined || from.some(source => newest(join(folder, source)) > made)
}

function newest (path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map(name => newest(join(path, name))))
}

function call ({ folder, command: [program, ...args] }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', reject)
    child.on('exit', (status, signal) => {
      if (status === 0) resolve()
      else reject(new NotBuilt(`${program} ended with ${signal ?? `status ${status}`}`))
    })
  })
}
