import { fork } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createClient } from 'redis'
import { SECRET, redisServer, socketpass } from '../test/support/processes.mjs'

/** A Redis with one session, the socketpass that reads it, and the cookie. */
export async function peers () {
  const redis = await redisServer()
  const client = createClient({ url: redis.url })
  await client.connect()
  const user = { id: 4711, name: 'Ana', role: 'editor', team: 'payments' }
  await client.set('sess:bench', JSON.stringify({ cookie: { originalMaxAge: null, path: '/' }, passport: { user } }))
  await client.close()
  const { address } = await socketpass({
    // A machine that has other things to do is no fault of the store's.
    environment: { SOCKETPASS_SESSION_STORE: redis.url, SOCKETPASS_SESSION_STORE_TIMEOUT: '10s' }
  })
  const signature = createHmac('sha256', SECRET).update('bench').digest('base64').replace(/=+$/, '')
  return { redisUrl: redis.url, address, cookie: `connect.sid=${encodeURIComponent(`s:bench.${signature}`)}` }
}

/** The server in one of its ways, in a process of its own. */
export async function serverOf (way, { redisUrl, address }, execArgv = []) {
  const child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), [way, redisUrl, SECRET, address], { execArgv })
  const [{ port }] = await once(child, 'message')
  return {
    pid: child.pid,
    url: `http://127.0.0.1:${port}`,
    async ask (question) {
      child.send(question)
      const [answer] = await once(child, 'message')
      return answer
    },
    stop: () => child.disconnect()
  }
}
