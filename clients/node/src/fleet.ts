import type { ClientReadableStream } from '@grpc/grpc-js'
import type { Close } from './decision'
import type {
  CountSocketsResponse, DisconnectSocketsResponse, FilterSocketsResponse, SendToSocketsResponse, View as WireView
} from './generated/socketpass/v1/registry_service'
import type { Log } from './log'
import type { Service } from './service'
import type { User } from './settings'

/** Values for a filter, `params` there: put values here, never into the filter's text. */
export type Params = Record<string, unknown>

/** How much an answer knows. */
export interface View {
  /** How old it may be, in milliseconds. */
  age: number
  /** Gateways whose sockets may not be as listed. */
  incompleteGateways: string[]
  /** The registry began without data less than a lease ago. */
  warmingUp: boolean
}

/** A socket somewhere in the fleet. */
export interface RemoteSocket {
  gatewayId: string
  socketId: string
  namespace: string
  user: User
  origin: string
  data: Record<string, unknown>
  connectedAt: Date
  /** Emits an event to it, wherever it is; whether its gateway handed the event over. */
  emit: (event: string, ...args: unknown[]) => Promise<boolean>
}

/** What came of a command: of the sockets that matched, how many it was done for. */
export interface Outcome {
  matched: number
  done: number
  /** The gateway could not. */
  failed: number
  /** The gateway did not answer. */
  unreachable: number
  view: View
}

// Commands are settled after ten seconds at the latest, and a large fleet's answer takes its time.
const ANSWER_WITHIN = 30_000

const ONE_SOCKET = 'socket.gateway_id == params.gateway_id && socket.socket_id == params.socket_id'

/** Asks about all sockets of the fleet. */
export class Fleet {
  readonly #service: Service
  readonly #log: Log

  constructor (service: Service, log: Log) {
    this.#service = service
    this.#log = log
  }

  async filter (filter: string, params: Params = {}): Promise<{ sockets: RemoteSocket[], view: View }> {
    const request = { filter, params, limit: 0, cursor: '' }
    const call = await this.#service.ask((registry, metadata) => registry.filterSockets(request, metadata, within()))
    const sockets: RemoteSocket[] = []
    const last = await each<FilterSocketsResponse>(call, answer => {
      for (const socket of answer.sockets) {
        const { gatewayId, socketId, namespace, origin, data = {}, connectedAt } = socket
        const user = socket.user as User
        const emit = (event: string, ...args: unknown[]): Promise<boolean> => this.#emit(gatewayId, socketId, event, args)
        sockets.push({ gatewayId, socketId, namespace, user, origin, data, connectedAt: connectedAt!, emit })
      }
    })
    return { sockets, view: viewOf(last?.view) }
  }

  async count (filter: string, params: Params = {}, groupBy = ''): Promise<{
    total: number, groups: Array<{ key: unknown, count: number }>, view: View
  }> {
    const request = { filter, params, groupBy }
    const { total, groups, view } = await this.#service.ask((registry, metadata) => {
      return new Promise<CountSocketsResponse>((resolve, reject) => {
        registry.countSockets(request, metadata, within(), (error, answer) => error ? reject(error) : resolve(answer))
      })
    })
    return { total, groups: groups.map(({ key, count }) => ({ key, count })), view: viewOf(view) }
  }

  async send (filter: string, params: Params, event: string, args: unknown[]): Promise<Outcome> {
    const request = { filter, params, event, args }
    const call = await this.#service.ask((registry, metadata) => registry.sendToSockets(request, metadata, within()))
    return outcome(await each<SendToSocketsResponse>(call, () => {}))
  }

  async disconnect (filter: string, params: Params, close: Close | undefined): Promise<Outcome> {
    const request = { filter, params, close, maxPerSecond: 0 }
    const call = await this.#service.ask((registry, metadata) => registry.disconnectSockets(request, metadata, within()))
    return outcome(await each<DisconnectSocketsResponse>(call, () => {}))
  }

  // Written like a local socket's `emit`, nobody may wait for it: a failure must not end the process.
  #emit (gatewayId: string, socketId: string, event: string, args: unknown[]): Promise<boolean> {
    const params = { gateway_id: gatewayId, socket_id: socketId }
    const sent = this.send(ONE_SOCKET, params, event, args).then(({ done }) => done === 1)
    sent.catch(error => this.#log.say('emit', error.message, `an event was not sent: ${error.message}`))
    return sent
  }
}

function within (): { deadline: number } {
  return { deadline: Date.now() + ANSWER_WITHIN }
}

// The last message, after the stream has ended well.
function each<T> (call: ClientReadableStream<T>, heard: (message: T) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let last: T | undefined
    call.on('data', (message: T) => {
      last = message
      heard(message)
    })
    call.on('error', reject)
    call.on('end', () => resolve(last))
  })
}

function outcome (last: SendToSocketsResponse | DisconnectSocketsResponse | undefined): Outcome {
  const { matched = 0, done = 0, failed = 0, unreachable = 0, view } = last ?? {}
  return { matched, done, failed, unreachable, view: viewOf(view) }
}

function viewOf (view: WireView | undefined): View {
  const { age, incompleteGateways = [], warmingUp = false } = view ?? {}
  return { age: (age?.seconds ?? 0) * 1_000 + (age?.nanos ?? 0) / 1e6, incompleteGateways, warmingUp }
}
