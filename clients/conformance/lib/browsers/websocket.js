// A plain WebSocket. Browsers cannot see the answer to a refused upgrade; here it can be read.
import WebSocket from 'ws'
import { agentWith } from './head.js'
import { Browser, queryText } from './browser.js'

export class WebSocketBrowser extends Browser {
  constructor (happenings, port, { namespace = '/', query, headers }) {
    super(happenings)
    const url = `ws://127.0.0.1:${port}${namespace}${query ? `?${queryText(query)}` : ''}`
    this.agent = agentWith(headers)
    this.socket = new WebSocket(url, { agent: this.agent, handshakeTimeout: 20_000 })
    this.socket.on('unexpected-response', async (_request, response) => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      let told
      try {
        told = JSON.parse(body)
      } catch {
        told = { body }
      }
      this.end({ status: response.statusCode, ...told })
    })
    this.socket.on('message', data => {
      try {
        const { event, args } = JSON.parse(data)
        this.hear(event, args)
      } catch {
        this.hear(undefined, [String(data)])
      }
    })
    this.socket.on('error', error => this.end({ error: error.message }))
    this.socket.on('close', (code, reason) => this.end({ code, reason: String(reason) }))
  }

  whoami () {
    this.socket.send(JSON.stringify({ event: 'whoami' }))
  }

  // The connection breaks off without a word.
  drop () {
    for (const connection of this.agent.connections) connection.destroy()
  }

  close () {
    this.socket.close()
  }
}
