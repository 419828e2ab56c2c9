// The examples of the README, as they are written.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { ANA, Scripted, view } from './support/scripted.mjs'
import { browser, heard, told, webSocket } from './support/servers.mjs'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const [socketIo, ws] = [...readme.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code)

/** The example as a process, and the service that it asks. */
async function run (t, code, name) {
  const service = await Scripted.start()
  // Inside the package, so that it can import it by its name.
  const file = fileURLToPath(new URL(`readme-${name}-${process.pid}.mjs`, import.meta.url))
  writeFileSync(file, code)
  const env = { ...process.env, PORT: '0', SOCKETPASS_ADDR: service.address, POD_NAME: 'pod-1' }
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => {
    child.kill('SIGKILL')
    service.stop()
    rmSync(file)
  })
  const [output] = await heard(child.stdout, 'data')
  const [, port] = /^listening on port (\d+)/.exec(output)
  return { service, child, port }
}

test('the example for Socket.IO', async t => {
  const { service, child, port } = await run(t, socketIo, 'socketio')
  service.answer = { ...service.answer, user: { ...ANA, team: 'payments' } }
  service.registry.filterSockets = call => {
    call.write({ sockets: [], nextCursor: '', view })
    call.end()
  }
  const socket = browser(t, `http://127.0.0.1:${port}`)
  assert.deepEqual(await told(socket, 'hello'), ['Ana'])
  assert.deepEqual(await socket.emitWithAck('team', 'payments'), { here: 1, everywhere: 0 })
  const exit = heard(child, 'exit')
  const closed = told(socket, 'socketpass:close')
  child.kill('SIGTERM')
  assert.deepEqual(await closed, [{ code: 4001, reason: 'gateway_draining' }])
  assert.deepEqual(await exit, [null, 'SIGTERM'])
})

test('the example for ws and namespaces', async t => {
  const { service, child, port } = await run(t, ws, 'ws')
  const chat = browser(t, `http://127.0.0.1:${port}/chat`)
  await told(chat, 'connect')
  const feed = webSocket(t, `ws://127.0.0.1:${port}/feed/1`)
  assert.equal(String((await heard(feed, 'message'))[0]), 'hello, Ana')
  const stream = await (await service.stream()).until(({ listed }) => listed.size === 2)
  assert.equal(stream.hello.gatewayId, 'pod-1')
  assert.deepEqual([...stream.listed.values()].map(({ namespace, data }) => [namespace, data]), [['/chat', undefined], ['/feed/1', { feed: 'news' }]])
  const exit = heard(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
  assert.equal(stream.goodbye, true)
})
