// Socket.IO's own client.
import { io } from 'socket.io-client'
import { agentWith } from './head.js'
import { Browser, queryText } from './browser.js'

export class SocketIoBrowser extends Browser {
  constructor (happenings, port, { namespace = '/', query, auth, headers, polling = false }) {
    super(happenings)
    const how = polling
      ? { transports: ['polling', 'websocket'], extraHeaders: Object.fromEntries(headers) }
      : { transports: ['websocket'], agent: agentWith(headers) }
    this.socket = io(`http://127.0.0.1:${port}${namespace}${query ? `?${queryText(query)}` : ''}`, {
      ...how, auth, forceNew: true, reconnection: false, timeout: 20_000
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

  close () {
    this.socket.disconnect()
  }
}
