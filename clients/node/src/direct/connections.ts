import { lookup } from 'node:dns/promises'
import { type Socket, connect, isIP } from 'node:net'
import * as tls from 'node:tls'
import type { Resolved } from '../settings'
import { Connection } from './connection'

type Target = { host: string, port: number } | { path: string }

// As the channel of grpc-js has it.
const FIRST_PAUSE = 200
const LONGEST_PAUSE = 2_000

/** A connection to each address of the service, and one after the other its turn. */
export class Connections {
  readonly #address: string
  readonly #tls: Resolved['tls']
  readonly #path: string
  // By address; those that do not take calls any more are not there.
  readonly #connections = new Map<string, Connection>()
  #turn = 0
  #pause = FIRST_PAUSE
  #timer: NodeJS.Timeout | undefined
  #closed = false
  // Why the last try to connect failed; nothing once one has succeeded.
  #failure: string | undefined

  constructor ({ address, tls }: Pick<Resolved, 'address' | 'tls'>, path: string) {
    this.#address = address
    this.#tls = tls
    this.#path = path
    void this.#connect()
  }

  /** One that takes a message of so many bytes, and so many of metadata; nothing when none does. */
  next (bytes: number, metadata: number): Connection | undefined {
    const connections = [...this.#connections.values()]
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[this.#turn++ % connections.length]
      if (connection?.takes(bytes, metadata)) return connection
    }
    return undefined
  }

  /** Why there is no connection, as far as that is known. */
  get failure (): string | undefined {
    return this.#failure
  }

  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const connection of this.#connections.values()) connection.drain()
  }

  // Connects to what is not connected. The name is asked again each time: a replica may have come back elsewhere.
  async #connect (): Promise<void> {
    const targets = await addresses(this.#address).catch((error: Error) => {
      this.#failure = error.message
      return []
    })
    if (this.#closed) return
    if (targets.length === 0) return this.#again()
    const keys = new Set(targets.map(keyOf))
    for (const [key, connection] of this.#connections) {
      if (!keys.has(key)) connection.drain()
    }
    for (const target of targets) {
      const key = keyOf(target)
      if (this.#connections.has(key)) continue
      const [socket, ready] = this.#open(target)
      socket.on('error', ({ message }) => { this.#failure = message })
      const connection = new Connection(socket, ready, this.#path, authorityOf(this.#address), {
        opened: () => {
          this.#pause = FIRST_PAUSE
          this.#failure = undefined
        },
        ended: () => {
          if (this.#connections.get(key) === connection) this.#connections.delete(key)
          this.#again()
        }
      })
      this.#connections.set(key, connection)
    }
  }

  #again (): void {
    if (this.#closed || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#connect()
    }, this.#pause * (0.5 + Math.random() / 2)).unref()
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2)
  }

  #open (target: Target): [Socket, 'connect' | 'secureConnect'] {
    if (this.#tls === undefined) return [connect(target), 'connect']
    const name = hostOf(authorityOf(this.#address))
    const socket = tls.connect({
      ...target,
      ...this.#tls,
      ALPNProtocols: ['h2'],
      servername: isIP(name) ? '' : name,
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate)
    })
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== 'h2') socket.destroy(new Error('the service speaks no HTTP/2'))
    })
    return [socket, 'secureConnect']
  }
}

// The forms of addresses that grpc-js takes.
function addressesText (address: string): string {
  return address.replace(/^dns:(\/\/[^/]*\/)?|^ipv[46]:(\/\/)?/, '')
}

/** The name that the service is called by: of a list the first. */
function authorityOf (address: string): string {
  return address.startsWith('unix:') ? 'localhost' : addressesText(address).split(',')[0]!
}

async function addresses (address: string): Promise<Target[]> {
  if (address.startsWith('unix:')) return [{ path: address.replace(/^unix:(\/\/)?/, '') }]
  const text = addressesText(address)
  if (/^ipv[46]:/.test(address)) return text.split(',').map(one => ({ host: hostOf(one), port: portOf(one) }))
  const found = await lookup(hostOf(text), { all: true })
  return found.map(({ address: host }) => ({ host, port: portOf(text) }))
}

function hostOf (text: string): string {
  return text.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
}

function portOf (text: string): number {
  return Number(/\d+$/.exec(text)?.[0])
}

function keyOf (target: Target): string {
  return 'path' in target ? target.path : `${target.host} ${target.port}`
}
