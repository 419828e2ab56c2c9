import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { Scripted } from './support/scripted.mjs'
import { heard } from './support/servers.mjs'

const program = fileURLToPath(new URL('support/sigterm.mjs', import.meta.url))

async function told (t, settings = {}, ownListener = false) {
  const service = await Scripted.start()
  const child = spawn(process.execPath, [program, service.address, JSON.stringify(settings), String(ownListener)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => {
    child.kill('SIGKILL')
    service.stop()
  })
  await heard(child.stdout, 'data')
  const stream = await (await service.stream()).until(({ complete }) => complete)
  const exit = heard(child, 'exit')
  child.kill('SIGTERM')
  const [code, signal] = await exit
  return { stream, code, signal }
}

test('on SIGTERM the drop-in says goodbye, and the process ends by the signal as it would have', async t => {
  const { stream, code, signal } = await told(t)
  assert.equal(stream.goodbye, true)
  assert.deepEqual([code, signal], [null, 'SIGTERM'])
})

test('a listener of the application ends the process in its own way', async t => {
  const { stream, code } = await told(t, {}, true)
  assert.equal(stream.goodbye, true)
  assert.equal(code, 7)
})

test('without goodbyeOnSigterm SIGTERM is left alone', async t => {
  const { stream, signal } = await told(t, { goodbyeOnSigterm: false })
  assert.equal(stream.goodbye, false)
  assert.equal(signal, 'SIGTERM')
})
