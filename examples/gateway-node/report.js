// A gateway's stream to socketpass: opened again whenever it ends, given up when it hangs. It knows no WebSockets.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const WELCOME_WITHIN = 20_000 // A hello may wait for half a lease until the gateway's former life is over.
const FLUSH_EVERY = 50 // What happens meanwhile goes out in one batch.
const EVENTS_A_BATCH = 500
const BATCHES_UNDER_WAY = 16

export class Reporter {
  #open = new Map() // Whatever becomes of a stream, the next one begins with what is open.
  #events // What the stream has still to tell; none while there is no stream.
  #incarnation = randomUUID()
  #stopping = false
  #goodbye = () => {}

  // `replicas`: functions that open a Report call. `disconnect(id, close)` closes a socket, `send(id, event, args)` says
  // whether it could be sent, `userChanged(id, user)` hears who is behind a socket from now on.
  constructor ({ replicas, gatewayId, labels = {}, disconnect, send, userChanged = () => {}, log = () => {} }) {
    Object.assign(this, { replicas, gatewayId, labels, disconnect, send, userChanged, log })
  }

  opened (socket) {
    this.#open.set(socket.socketId, socket)
    this.#events?.push({ opened: socket })
  }

  closed (socketId) {
    if (this.#open.delete(socketId)) this.#events?.push({ closed: { socketId } })
  }

  async run () {
    let failures = 0
    for (let turn = 0; !this.#stopping; turn++) {
      const { welcomed, status } = await this.#stream(this.replicas[turn % this.replicas.length])
      failures = welcomed ? 0 : failures + 1
      if (this.#stopping) break
      this.log(`the stream ended: ${status.details} (${status.code})`)
      // Not at once, and not all gateways at the same moment.
      await sleep(Math.min(10_000, 200 * 2 ** failures) * (0.5 + Math.random() / 2))
    }
  }

  // Takes the gateway's sockets off the list at once; without it they stay until the lease ends. `run` returns then.
  stop () {
    this.#stopping = true
    this.#goodbye()
  }

  // One stream, from hello to its end, whatever the status.
  #stream (open) {
    return new Promise(resolve => {
      const call = open()
      let timer = setTimeout(() => call.cancel(), WELCOME_WITHIN)
      let welcomed = false
      this.#goodbye = () => {
        call.write({ goodbye: {} })
        call.end()
        setTimeout(() => call.cancel(), 5_000).unref()
      }
      call.on('data', ({ welcome, ack, command }) => {
        if (welcome && !welcomed) {
          welcomed = true
          clearTimeout(timer)
          this.log('welcome')
          timer = this.#batches(call, Number(welcome.lease.seconds) * 1_000 + (welcome.lease.nanos ?? 0) / 1e6)
        } else if (ack) {
          call.emit('ack', ack.sequence)
          for (const { socketId, field, message } of ack.rejected ?? []) this.log(`${socketId}: ${field}: ${message}`)
        } else if (command) {
          call.write({ commandResult: { commandId: command.commandId, done: this.#obey(command) } })
        }
      })
      call.on('error', () => {}) // The status says it.
      call.on('status', status => {
        clearInterval(timer)
        this.#events = undefined
        this.#goodbye = () => {}
        resolve({ welcomed, status })
      })
      call.write({ hello: { gatewayId: this.gatewayId, incarnation: this.#incarnation, labels: this.labels } })
    })
  }

  // Everything that is open, then what changes; and a sign of life when nothing does.
  #batches (call, lease) {
    this.#events = [...this.#open.values()].map(opened => ({ opened }))
    let [listing, completed, sequence, acked, lastBatch] = [this.#events.length, false, 0, 0, 0]
    let heard = performance.now() // When the service last took something, or had nothing to take.
    call.on('ack', upTo => {
      acked = upTo
      heard = performance.now()
    })
    return setInterval(() => {
      const now = performance.now()
      if (sequence === acked) heard = now
      // A replica that hangs holds its connections open: only the missing ack tells.
      if (now - heard > lease / 2) return call.cancel()
      // A third of the lease is the latest.
      const due = !completed || this.#events.length > 0 || now - lastBatch > lease / 4
      if (!due || sequence - acked >= BATCHES_UNDER_WAY) return
      const events = this.#events.splice(0, EVENTS_A_BATCH)
      listing -= events.length
      const complete = !completed && listing <= 0
      completed ||= complete
      lastBatch = now
      call.write({ batch: { sequence: ++sequence, events, complete } })
    }, FLUSH_EVERY)
  }

  // The sockets for which it is so now. Each command is answered, also one that is not known here: its caller waits.
  #obey ({ disconnect, send, userChanged }) {
    if (disconnect) {
      // One that is gone already is disconnected, too.
      for (const id of disconnect.socketIds) this.disconnect(id, disconnect.close)
      return disconnect.socketIds
    }
    if (send) return send.socketIds.filter(id => this.send(id, send.event, (send.args ?? []).map(plain)))
    return userChanged ? userChanged.socketIds.filter(id => this.#change(id, userChanged.user)) : []
  }

  // The service has it already; the next stream is to say the same.
  #change (socketId, user) {
    const socket = this.#open.get(socketId)
    if (!socket) return false
    socket.user = user
    this.userChanged(socketId, plain({ structValue: user }))
    return true
  }
}

// What a google.protobuf.Value stands for.
function plain (value) {
  if (value.listValue) return (value.listValue.values ?? []).map(plain)
  if (!value.structValue) return value.stringValue ?? value.numberValue ?? value.boolValue ?? null
  return Object.fromEntries(Object.entries(value.structValue.fields ?? {}).map(([name, member]) => [name, plain(member)]))
}
