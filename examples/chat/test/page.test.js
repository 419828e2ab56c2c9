// The page in a real browser, with everything behind it real: Redis, Express, socketpass and the five servers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { Fleet } from '../demo/fleet.js'
import { isFree, isListening } from '../demo/process.js'
import { repository } from '../demo/rooms.js'

const ROOMS = ['node', 'python', 'go', 'java', 'rust']
// The page, the rooms, socketpass, Redis.
const PORTS = 1 + ROOMS.length + 2
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'
]
// On a machine that does other things, too.
const PATIENCE = 30_000

let fleet, port, browser, ana, jose

before(async () => {
  assert(existsSync(CHROMIUM), `there is no browser at ${CHROMIUM}: CHROMIUM may name another`)
  port = await freePorts(PORTS)
  const [address, redis] = [PORTS - 2, PORTS - 1].map(n => `127.0.0.1:${port + n}`)
  fleet = new Fleet(
    { port, address, redis: `redis://${redis}` },
    { say: line => console.log(line), log: (name, line) => console.log(`${name} | ${line}`) }
  )
  const { left } = await fleet.start()
  assert.deepEqual(left, [], 'all five servers are needed here')
  // Playwright gives each browser a folder of its own and deletes it.
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
})

after(async () => {
  await browser?.close()
  await fleet?.stop()
  for (let n = 0; n < PORTS; n++) assert(!await isListening(port + n), `somebody is left at port ${port + n}`)
})

test('a wrong password is told', async () => {
  const page = await visit()
  await logIn(page, 'ana', 'wrong')
  await shows(page.locator('#login .problem'), 'Wrong username or password')
  await page.context().close()
})

test('one login opens a socket to each of the five servers', async () => {
  ana = await visit()
  await logIn(ana, 'ana')
  await isInAllRooms(ana)
  await lists(ana, { 'ana (admin)': ROOMS })
})

test('everybody sees everybody, whichever server is asked', async () => {
  jose = await visit()
  await logIn(jose, 'jose')
  await isInAllRooms(jose)
  for (const room of ROOMS) {
    await ana.selectOption('#say [name=room]', room)
    await shows(ana.locator('#asked'), `The ${room} server asks the registry.`)
    await lists(ana, { 'ana (admin)': ROOMS, jose: ROOMS })
  }
})

test('a filter narrows the list, and says what is wrong with it', async () => {
  for (const room of ROOMS) {
    await ana.selectOption('#say [name=room]', room)
    await filter(ana, 'user.name.startsWith("j") && gateway.gateway_id in ["go", "rust"]')
    await lists(ana, { jose: ['go', 'rust'] })
    const problem = ana.locator('#filter + .problem')
    await filter(ana, 'user.name ==')
    await problem.filter({ hasText: /\S/ }).waitFor({ timeout: PATIENCE })
    await filter(ana, 'true')
    await problem.waitFor({ state: 'hidden', timeout: PATIENCE })
    // The page's people are no admins of the fleet, and a session id is as good as a login.
    await filter(ana, 'socket.session_id == "guessed"')
    await problem.filter({ hasText: 'session_id' }).waitFor({ timeout: PATIENCE })
    await filter(ana, 'true')
    await lists(ana, { 'ana (admin)': ROOMS, jose: ROOMS })
  }
})

test('what is said in a room is heard there, as text', async () => {
  for (const room of ROOMS) {
    await say(jose, room, `hello, ${room} <b>room</b>`)
    for (const page of [ana, jose]) await shows(page.locator('#said li').last(), `${room}jose: hello, ${room} <b>room</b>`)
  }
  assert.equal(await ana.locator('#said b').count(), 0)
})

test('only admins throw people out', async () => {
  assert.equal(await jose.getByText('Throw out').count(), 0)
  const problem = await jose.evaluate(url => new Promise(resolve => {
    const socket = window.io(url, { transports: ['websocket'], forceNew: true })
    socket.on('problem', (...problem) => {
      socket.disconnect()
      resolve(problem)
    })
    socket.emit('kick', 'u1')
  }), `http://127.0.0.1:${port + 1}`)
  assert.deepEqual(problem, ['kick', 'only admins throw people out'])
  await lists(ana, { 'ana (admin)': ROOMS, jose: ROOMS })
})

test('pages of another origin get no socket, though the cookie comes along', async () => {
  const site = createServer((_request, response) => response.end('another site')).listen(0, '127.0.0.1')
  await once(site, 'listening')
  const other = await ana.context().newPage()
  await other.goto(`http://127.0.0.1:${site.address().port}/`)
  for (const room of ['go', 'rust']) {
    const close = await other.evaluate(url => new Promise(resolve => {
      new WebSocket(url).onclose = ({ code, reason }) => resolve(`${code} ${reason}`)
    }), `ws://127.0.0.1:${portOf(room)}`)
    assert.match(close, /^45\d\d origin_not_allowed$/)
  }
  for (const room of ['node', 'python', 'java']) {
    // Socket.IO without its client: 0 is what Engine.IO opens with, 40 asks to come in, 44 is a connect_error.
    const answer = await other.evaluate(url => new Promise(resolve => {
      const socket = new WebSocket(url)
      socket.onmessage = ({ data }) => data.startsWith('0') ? socket.send('40') : resolve(data)
      socket.onclose = ({ code }) => resolve(`closed with ${code}`)
    }), `ws://127.0.0.1:${portOf(room)}/socket.io/?EIO=4&transport=websocket`)
    assert.match(answer, /^44.*"reason":"origin_not_allowed"/)
  }
  await other.close()
  site.close()
})

test('looks decent', { skip: !process.env.UPDATE_SCREENSHOT && 'UPDATE_SCREENSHOT=1 takes the picture anew' }, async () => {
  const zoe = await visit()
  await logIn(zoe, 'zoe')
  await isInAllRooms(zoe)
  const page = await ana.context().newPage()
  await page.setViewportSize({ width: 1040, height: 640 })
  await page.goto(fleet.url)
  await isInAllRooms(page)
  await ana.goto('about:blank')
  await lists(page, { 'ana (admin)': ROOMS, jose: ROOMS, zoe: ROOMS })
  await say(page, 'java', 'Who is in the Java room?')
  await say(jose, 'java', 'I am, with the cookie of the Express app.')
  await say(zoe, 'go', 'And I am in all five.')
  await say(page, 'go', 'So the Go server says: it asks the registry of the whole fleet.')
  await page.locator('#said li').nth(3).waitFor({ timeout: PATIENCE })
  await page.locator('body').click({ position: { x: 5, y: 5 } })
  await page.screenshot({ path: join(repository, 'docs/images/chat.png'), fullPage: true })
  await page.close()
  await zoe.context().close()
  await ana.goto(fleet.url)
  await isInAllRooms(ana)
  await lists(ana, { 'ana (admin)': ROOMS, jose: ROOMS })
})

test('one call throws somebody out of all five, and they stay out', async () => {
  const open = jose.sockets.filter(socket => !socket.isClosed())
  assert.equal(open.length, ROOMS.length)
  await ana.getByRole('row', { name: 'jose' }).getByText('Throw out').click()
  await shows(ana.locator('#said li').last(), '5 sockets were closed.')
  for (const room of ROOMS) await shows(state(jose, room), 'closed: 4505 thrown_out')
  await lists(ana, { 'ana (admin)': ROOMS })
  await lists(jose, {})
  await until(() => jose.sockets.every(socket => socket.isClosed()), "all of jose's WebSockets are closed")
  await isInAllRooms(ana)
})

test('whoever was thrown out is still logged in, and may come back', async () => {
  await jose.getByText('Come back').click()
  await isInAllRooms(jose)
  await lists(ana, { 'ana (admin)': ROOMS, jose: ROOMS })
})

test('whoever logs out in one tab has no sockets left in any, a second later', async () => {
  for (const room of ROOMS) {
    await say(jose, room, `bye, ${room}`)
    await shows(jose.locator('#said li').last(), `${room}jose: bye, ${room}`)
  }
  const other = await openTab(jose.context())
  await isInAllRooms(other)
  await lists(ana, { 'ana (admin)': ROOMS, jose: ROOMS.map(room => `${room} × 2`) })

  const loggedOut = Date.now()
  await jose.getByText('Log out').click()
  for (const page of [jose, other]) {
    // Passport saves the session without its user, and then destroys it: whichever is seen first.
    for (const room of ROOMS) await shows(state(page, room), /^closed: (4500 session_not_found|4501 not_logged_in)$/)
    for (const closed of await closedAt(page)) assert(closed - loggedOut < 1_000, `closed after ${closed - loggedOut} ms`)
  }
  assert.match(await jose.locator('#ended').textContent(), /^You are logged out, and your sockets were closed within \d{1,3} ms\.$/)
  await shows(other.locator('#ended'), 'Your session has ended, and your sockets with it.')
  await lists(ana, { 'ana (admin)': ROOMS })
  await jose.getByText('Come back').click()
  await jose.locator('#login').waitFor({ timeout: PATIENCE })
})

test('whose session runs out has no sockets left a second later', async () => {
  // The web app once more, with sessions that are short: its cookie is good at the other port, too.
  const short = await freePorts(1)
  await fleet.startExpress(short, 12)
  const zoe = await visit()
  await zoe.context().request.post(`http://127.0.0.1:${short}/login`, {
    form: { username: 'zoe', password: 'correct horse zoe' }, maxRedirects: 0
  })
  await zoe.goto(fleet.url)
  await isInAllRooms(zoe)
  await lists(ana, { 'ana (admin)': ROOMS, zoe: ROOMS })

  const ends = Date.now() + await milliseconds(zoe.context())
  for (const room of ROOMS) await shows(state(zoe, room), 'closed: 4500 session_not_found')
  for (const closed of await closedAt(zoe)) {
    assert(Math.abs(closed - ends) < 1_000, `closed ${closed - ends} ms after the session's end`)
  }
  await shows(zoe.locator('#ended'), 'Your session has ended, and your sockets with it.')
  await lists(ana, { 'ana (admin)': ROOMS })
  await isInAllRooms(ana)
  await zoe.context().close()
})

// A person's own browser, as it were: with cookies of its own. `sockets` are the page's since it was loaded.
async function visit () {
  return openTab(await browser.newContext({ colorScheme: 'light' }))
}

async function openTab (context) {
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE)
  page.on('framenavigated', () => { page.sockets = [] })
  page.on('websocket', socket => {
    page.sockets.push(socket)
    socket.on('close', () => { socket.closedAt = Date.now() })
  })
  page.on('pageerror', error => { throw error })
  await page.goto(fleet.url)
  return page
}

async function logIn (page, name, password = `correct horse ${name}`) {
  await page.fill('[name=username]', name)
  await page.fill('[name=password]', password)
  await page.click('#login button')
}

async function filter (page, text) {
  await page.fill('#filter input', text)
  await page.click('#filter button')
}

async function say (page, room, text) {
  await page.selectOption('#say [name=room]', room)
  await page.fill('#say [name=text]', text)
  await page.click('#say button')
}

// When each of the page's sockets was closed.
async function closedAt (page) {
  await until(() => page.sockets.every(socket => socket.isClosed()), 'all WebSockets are closed')
  assert.equal(page.sockets.length, ROOMS.length)
  return page.sockets.map(socket => socket.closedAt)
}

// For how long the session behind a browser's cookie still lives.
async function milliseconds (context) {
  const { value } = (await context.cookies()).find(({ name }) => name === 'connect.sid')
  const [, id] = /^s:(.*)\./.exec(decodeURIComponent(value))
  const { stdout } = await promisify(execFile)('redis-cli', ['-p', `${port + PORTS - 1}`, 'pttl', `sess:${id}`])
  return Number(stdout)
}

function state (page, room) {
  return page.locator('#rooms tr').nth(ROOMS.indexOf(room)).locator('td').last()
}

async function isInAllRooms (page) {
  for (const room of ROOMS) await shows(state(page, room), 'open')
}

async function shows (locator, text) {
  const fits = shown => text instanceof RegExp ? text.test(shown) : shown === text
  await until(async () => fits((await locator.textContent({ timeout: 1_000 }).catch(() => ''))?.trim()),
    async () => `"${text}" is shown, not "${await locator.textContent({ timeout: 1_000 }).catch(error => error.message)}"`)
}

// Who is online, by name: in which rooms.
async function lists (page, people) {
  const listed = () => page.evaluate(() => Object.fromEntries(
    Array.from(document.querySelectorAll('#online tr'), row => [
      row.cells[0].textContent, Array.from(row.cells[1].children, tag => tag.textContent).sort()
    ])))
  const wanted = JSON.stringify(sorted(people))
  await until(async () => JSON.stringify(sorted(await listed())) === wanted,
    async () => `the list is ${wanted}, not ${JSON.stringify(sorted(await listed()))}`)
}

function sorted (people) {
  return Object.entries(people).map(([name, rooms]) => [name, [...rooms].sort()]).sort()
}

async function until (holds, what) {
  const deadline = Date.now() + PATIENCE
  while (!await holds()) {
    if (Date.now() > deadline) assert.fail(`waited for: ${typeof what === 'string' ? what : await what()}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

function portOf (room) {
  return port + 1 + ROOMS.indexOf(room)
}

// As many free ports in a row, of those that no system gives to outgoing connections.
async function freePorts (count) {
  for (;;) {
    const first = randomInt(10_000, 30_000)
    const free = await Promise.all(Array.from({ length: count }, (_, n) => isFree(first + n)))
    if (free.every(Boolean)) return first
  }
}
