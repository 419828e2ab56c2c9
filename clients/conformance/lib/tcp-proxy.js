// A network between a client and its socketpass that can be slow, or gone without a word.
import net from 'node:net'

export class TcpProxy {
  #connections = new Set()
  #swallows = false

  // `delay`: milliseconds that everything takes, each way.
  constructor (target, { delay = 0 } = {}) {
    const [host, port] = target.split(':')
    Object.assign(this, { host, port: Number(port), delay })
  }

  async open () {
    this.server = net.createServer(near => this.#connect(near))
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    this.address = `127.0.0.1:${this.server.address().port}`
    return this
  }

  // What is connected now stays so and hears nothing more; new connections are as good as ever.
  freeze () {
    for (const connection of this.#connections) connection.frozen = true
  }

  // New connections are taken and nothing comes of them, or no more: those that are stay so.
  swallow (swallows) {
    this.#swallows = swallows
  }

  close () {
    for (const { near, far } of this.#connections) {
      near.destroy()
      far.destroy()
    }
    this.server.close()
  }

  #connect (near) {
    const far = net.connect(this.port, this.host)
    const connection = { near, far, frozen: this.#swallows }
    this.#connections.add(connection)
    const pass = (from, to) => {
      const later = act => setTimeout(() => connection.frozen || act(), this.delay)
      from.on('data', chunk => later(() => to.write(chunk)))
      from.on('close', () => later(() => to.destroy()))
      from.on('error', () => {}) // Its close follows.
    }
    pass(near, far)
    pass(far, near)
  }
}
