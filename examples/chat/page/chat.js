import { overSocketIo, overWebSocket } from './sockets.js'

// The rooms are at the ports after this page's. Cookies know no ports: the one login reaches them all.
const rooms = [
  { name: 'node', server: 'Socket.IO on Node', connect: overSocketIo, scheme: 'http' },
  { name: 'python', server: 'python-socketio', connect: overSocketIo, scheme: 'http' },
  { name: 'go', server: 'coder/websocket', connect: overWebSocket, scheme: 'ws' },
  { name: 'java', server: 'netty-socketio', connect: overSocketIo, scheme: 'http' },
  { name: 'rust', server: 'axum', connect: overWebSocket, scheme: 'ws' }
].map((room, index) => ({ ...room, address: `${location.hostname}:${Number(location.port) + 1 + index}`, open: false }))

// The codes of sockets whose session ended: it is gone, nobody is logged in with it any more, or somebody else is.
const sessionEnds = [4500, 4501, 4502]

// When somebody logged out in this tab.
let loggedOutAt

const find = selector => document.querySelector(selector)
const { user } = await (await fetch('/whoami')).json()
if (user) enter()
else logIn()

function logIn () {
  const form = find('#login')
  form.hidden = false
  form.addEventListener('submit', async event => {
    event.preventDefault()
    const response = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) })
    if (response.ok) location.reload()
    else form.querySelector('.problem').textContent = await response.text()
  })
}

async function enter () {
  find('#me').textContent = `${user.name} (${user.role})`
  find('#logout').hidden = find('#chat').hidden = false
  find('#say [name=room]').append(...rooms.map(({ name }) => element('option', name)))
  for (const room of rooms) {
    room.cell = element('td', 'connecting')
    find('#rooms').append(element('tr', element('td', room.name), element('td', room.server), room.cell))
  }

  find('#say').addEventListener('submit', event => {
    event.preventDefault()
    const { text } = event.target.elements
    const room = chosen()
    if (!room.open) return note(`You are not in the ${room.name} room.`)
    room.socket.say('say', text.value)
    text.value = ''
  })
  find('#say [name=room]').addEventListener('change', ask)
  find('#filter').addEventListener('submit', event => {
    event.preventDefault()
    ask()
  })
  find('#again').addEventListener('click', () => location.reload())
  find('#logout').addEventListener('submit', event => {
    event.preventDefault()
    logOut(event.target.action)
  })

  await socketIoClient()
  rooms.forEach(connect)
  setInterval(ask, 1_000)
}

// Nothing here closes a socket: their servers do, in whichever tab they were opened.
async function logOut (url) {
  loggedOutAt = performance.now()
  find('#logout button').hidden = true
  const response = await fetch(url, { method: 'POST' }).catch(() => ({ ok: false }))
  if (response.ok) return
  loggedOutAt = undefined
  find('#logout button').hidden = false
  note('You are not logged out: the web app does not answer.')
}

function sessionEnded () {
  find('#logout button').hidden = true
  if (rooms.some(room => room.open)) return
  find('#ended').textContent = loggedOutAt === undefined
    ? 'Your session has ended, and your sockets with it.'
    : `You are logged out, and your sockets were closed within ${Math.ceil(performance.now() - loggedOutAt)} ms.`
}

// The Node server gives away the client of Socket.IO.
function socketIoClient () {
  const script = element('script')
  script.src = `http://${rooms[0].address}/socket.io/socket.io.min.js`
  document.head.append(script)
  return new Promise((resolve, reject) => {
    script.addEventListener('load', resolve)
    script.addEventListener('error', () => {
      note('The Node server is not there, which has the client of Socket.IO: reload the page when it is.')
      reject(new Error(`${script.src} is not there`))
    })
  })
}

function connect (room) {
  room.socket = room.connect(`${room.scheme}://${room.address}`, {
    opened () {
      show(room, true, 'open')
      ask()
    },
    heard (event, args) {
      heard[event]?.(...args)
    },
    closed ({ code, reason }) {
      show(room, false, `closed: ${code} ${reason}`)
      // From 4500 on there is no use in coming back by oneself.
      if (code < 4500) setTimeout(connect, 2_000, room)
      else find('#again').hidden = false
      if (sessionEnds.includes(code)) sessionEnded()
      if (!rooms.some(room => room.open)) online([])
    }
  })
}

function show (room, open, text) {
  room.open = open
  room.cell.textContent = text
  room.cell.className = open ? 'open' : 'closed'
}

// Every server gives the same answer, since each asks the registry of the whole fleet.
function ask () {
  const room = chosen().open ? chosen() : rooms.find(room => room.open)
  find('#asked').textContent = room ? `The ${room.name} server asks the registry.` : 'You are in no room.'
  room?.socket.say('who', find('#filter').elements.filter.value || 'true')
}

const heard = {
  said ({ room, from, text }) {
    note(element('span.tag', room), element('strong', from), `: ${text}`)
  },
  online,
  problem (event, message) {
    if (event === 'who') find('#filter + .problem').textContent = message
    else note(message)
  },
  kicked (sockets) {
    note(`${sockets} sockets were closed.`)
  }
}

function online (sockets) {
  find('#filter + .problem').textContent = ''
  const place = Object.fromEntries(rooms.map(({ name }, index) => [name, index]))
  sockets.sort((a, b) => String(a.name).localeCompare(b.name) || place[a.room] - place[b.room])
  const people = Map.groupBy(sockets, ({ id }) => id)
  find('#online').replaceChildren(...Array.from(people, ([id, theirs]) => {
    const { name, role } = theirs[0]
    const tags = Array.from(Map.groupBy(theirs, ({ room }) => room), ([room, { length }]) =>
      element('span.tag', length > 1 ? `${room} × ${length}` : room))
    const action = element('td')
    if (user.role === 'admin' && id !== user.id) {
      const kick = element('button', 'Throw out')
      kick.addEventListener('click', () => rooms[0].socket.say('kick', id))
      action.append(kick)
    }
    return element('tr', element('td', role === 'admin' ? `${name} (admin)` : name), element('td', ...tags), action)
  }))
}

function note (...content) {
  const list = find('#said')
  list.append(element('li', ...content))
  list.scrollTop = list.scrollHeight
}

function chosen () {
  return rooms.find(({ name }) => name === find('#say [name=room]').value)
}

// `td.open` is a tag and a class. Texts become text, whatever is in them.
function element (kind, ...content) {
  const [tag, name = ''] = kind.split('.')
  const made = document.createElement(tag)
  made.className = name
  made.append(...content)
  return made
}
