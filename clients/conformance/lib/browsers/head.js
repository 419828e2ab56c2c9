// Header lines that are sent as they stand, repeated ones too, whatever the library thinks of them.
import http from 'node:http'
import net from 'node:net'

// `lines`: name and value of each; characters are bytes.
export function agentWith (lines) {
  const added = Buffer.from(lines.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1')
  const agent = new http.Agent()
  agent.connections = []
  agent.createConnection = options => {
    const socket = net.connect(options)
    agent.connections.push(socket)
    const write = socket.write
    socket.write = (chunk, encoding, done) => {
      socket.write = write // The head is written first, and whole.
      const text = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding)
      const end = text.indexOf('\r\n\r\n') + 2
      return socket.write(Buffer.concat([text.subarray(0, end), added, text.subarray(end)]), done)
    }
    return socket
  }
  return agent
}
