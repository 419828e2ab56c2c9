// Socket.IO's own client.
import { io } from 'socket.io-client'
import { agentWith } from './head.js'
import { Browser, queryText } from './browser.js'

export class SocketIoBrowser extends Browser {
  // `beside`: another browser, whose connection this one takes.
  constructor (happenings, port, { namespace = '/', query, auth, headers, polling = false, reconnects = false, beside }) {
    super(happenings)
    this.agent = beside?.agent ?? agentWith(headers)
    const how = polling
      ? { transports: ['polling', 'websocket'], extraHeaders: Object.fromEntries(headers) }
      : { transports: ['websocket'], agent: this.agent }
    this.socket = beside
      ? beside.socket.io.socket(namespace, { auth })
      : io(`http://127.0.0.1:${port}${namespace}${query ? `?${queryText(query)}` : ''}`, {
        ...how, auth, forceNew: true, reconnection: reconnects, reconnectionDelay: 100, timeout: 20_000
      })
    let told
    this.socket.on('connect_error', error => {
      const { message, data } = error
      this.end({ message, ...data })
    })
    this.socket.onAny((event, ...args) => {
      if (event === 'socketpass:close') told = args[0]
      else this.hear(event, args)
    })
    this.socket.on('disconnect', why => this.end({ ...told, disconnected: why }))
  }

  whoami () {
    this.socket.emit('whoami')
  }

  // The connection breaks off without a word.
  drop () {
    for (const connection of this.agent.connections) connection.destroy()
  }

  close () {
    this.socket.disconnect()
  }
}
