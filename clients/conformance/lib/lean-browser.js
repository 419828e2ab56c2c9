// A browser that does little more than stay, so that very many cost little: it is let in, and answers what keeps it open.
import { randomBytes } from 'node:crypto'
import net from 'node:net'

// What Chromium sends with a handshake, without compression: what that costs a server is not the client's.
const USUAL = [
  ['connection', 'Upgrade'],
  ['pragma', 'no-cache'],
  ['cache-control', 'no-cache'],
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36'],
  ['upgrade', 'websocket'],
  ['sec-websocket-version', '13'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['accept-language', 'en-US,en;q=0.9']
]
const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10

// What is said after the upgrade. `hear` is given each text and what sends one, and says whether it is let in.
const protocols = {
  websocket: { path: '/', hear: text => JSON.parse(text).event === 'you' },
  'socket.io': {
    path: '/socket.io/?EIO=4&transport=websocket',
    hear (text, send) {
      if (text.startsWith('0')) send('40') // Engine.IO is open: may it come into the main namespace?
      if (text === '2') send('3') // A ping.
      return text.startsWith('42["you"')
    }
  }
}

// Resolves when it is let in, to what closes it. Fails when it is turned away.
export function leanBrowser (protocol, port, cookie) {
  const { path, hear } = protocols[protocol]
  const host = `127.0.0.1:${port}`
  const headers = [
    ['host', host], ...USUAL, ['origin', `http://${host}`], ['cookie', cookie],
    ['sec-websocket-key', randomBytes(16).toString('base64')]
  ]
  const connection = net.connect(port, '127.0.0.1')
  connection.write([`GET ${path} HTTP/1.1`, ...headers.map(pair => pair.join(': ')), '', ''].join('\r\n'))
  let unread = Buffer.alloc(0)
  let upgraded = false
  return new Promise((resolve, reject) => {
    const failed = why => reject(new Error(`a browser was not let in: ${why}`))
    const send = text => connection.write(frame(TEXT, Buffer.from(text)))
    connection.on('error', failed)
    connection.on('close', () => failed('the connection ended'))
    connection.on('data', chunk => {
      unread = unread.length ? Buffer.concat([unread, chunk]) : chunk
      if (!upgraded) {
        const end = unread.indexOf('\r\n\r\n')
        if (end < 0) return
        const head = unread.toString('latin1')
        if (!head.startsWith('HTTP/1.1 101 ')) return failed(head)
        upgraded = true
        unread = unread.subarray(end + 4)
      }
      for (let next; (next = frameIn(unread)); unread = unread.subarray(next.length)) {
        if (next.opcode === TEXT && hear(next.payload.toString(), send)) resolve(() => connection.destroy())
        if (next.opcode === PING) connection.write(frame(PONG, next.payload))
        if (next.opcode === CLOSE) failed('it was closed')
      }
      unread = unread.length ? Buffer.from(unread) : Buffer.alloc(0) // Not a part of what is larger.
    })
  })
}

// The first frame of these bytes, if it is there whole. Servers mask nothing.
function frameIn (bytes) {
  if (bytes.length < 2) return
  const short = bytes[1]
  const begin = short === 126 ? 4 : 2
  if (short === 127) throw new Error('a message is larger than any that is expected')
  if (bytes.length < begin) return
  const length = begin + (short === 126 ? bytes.readUInt16BE(2) : short)
  return bytes.length < length ? undefined : { opcode: bytes[0] & 15, payload: bytes.subarray(begin, length), length }
}

// Masked with zeros, which change nothing.
function frame (opcode, payload) {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
