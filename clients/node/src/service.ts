import {
  Channel, type ChannelCredentials, type ClientDuplexStream, Metadata, credentials, status
} from '@grpc/grpc-js'
import { Connections } from './direct/connections'
import * as hpack from './direct/hpack'
import { failure } from './failure'
import { AuthorizationServiceService, AuthorizeResponse } from './generated/socketpass/v1/authorization_service'
import { RegistryServiceClient, RegistryServiceService, type ReportResponse } from './generated/socketpass/v1/registry_service'
import { answeredUser } from './messages'
import { impatient } from './opening'
import { type Resolved, isToken } from './settings'
import type { Packed } from './struct'
import { inject, traces } from './tracing'

const NOTHING = Buffer.alloc(0)

// What an operator should look at.
const HINTS = new Map<status, string>([
  [status.ALREADY_EXISTS, 'another process has this `gatewayId` and speaks'],
  [status.ABORTED, 'another process has this `gatewayId` now'],
  [status.UNAUTHENTICATED, 'look at `token`, or the certificate of `tls`'],
  [status.PERMISSION_DENIED, 'look at `token`, or the certificate of `tls`: its role, and the gateway ids that it is bound to'],
  [status.UNIMPLEMENTED, 'look at `address`: no socketpass is there']
])

// Whether the service is away, or never was where it is looked for, these do not say.
const AWAY = new Set<status>([status.UNAVAILABLE, status.DEADLINE_EXCEEDED])

// For a stream, or a question. For a handshake it is within its own time.
const TOKEN_WITHIN = 20_000

/** An answer, and its user for the registry. */
export interface Answered {
  answer: AuthorizeResponse
  user: Packed | undefined
}

function answered (bytes: Buffer): Answered {
  return { answer: AuthorizeResponse.decode(bytes), user: answeredUser(bytes) }
}

function asTheyAre (bytes: Buffer): Buffer {
  return bytes
}

/** The service's methods over one channel, with the token and the trace's context. */
export class Service {
  readonly #channel: Channel
  readonly #direct: Connections
  readonly #registry: RegistryServiceClient
  readonly #token: Resolved['token']
  readonly #metadata: Metadata

  constructor ({ address, tls, token }: Pick<Resolved, 'address' | 'tls' | 'token'>) {
    const options = channelOptions(address)
    const secured = impatient(channelCredentials(tls))
    this.#channel = new Channel(address, secured, options)
    this.#direct = new Connections({ address, tls }, AuthorizationServiceService.authorize.path)
    this.#registry = new RegistryServiceClient(address, secured, { channelOverride: this.#channel })
    this.#token = token
    this.#metadata = new Metadata()
    if (typeof token === 'string') this.#metadata.set('authorization', `Bearer ${token}`)
  }

  /**
   * Asks about a handshake, an encoded AuthorizeRequest: over a connection of its own kind when there is one that takes it,
   * since a call of grpc-js costs more than all else that is done for a handshake; else over grpc-js, which connects, waits and
   * knows every odd case.
   */
  async authorize (message: Buffer, deadline: number): Promise<Answered> {
    // No promise where none is needed: this is done for every handshake.
    const given = this.#callMetadata(deadline)
    const metadata = given instanceof Metadata ? given : await given
    const headers = headersOf(metadata)
    const connection = this.#direct.next(message.length, headers.length)
    if (connection !== undefined) return answered(await connection.unary(message, headers, deadline))
    return answered(await new Promise<Buffer>((resolve, reject) => {
      const { path } = AuthorizationServiceService.authorize
      this.#registry.makeUnaryRequest(path, asTheyAre, asTheyAre, message, metadata, { deadline }, (error, answer) => {
        if (error) reject(error)
        else resolve(answer!)
      })
    }))
  }

  /** A Report call, which waits for a connection if there is none. It is written encoded messages. */
  async report (): Promise<ClientDuplexStream<Buffer, ReportResponse>> {
    const metadata = (await this.#callMetadata(Date.now() + TOKEN_WITHIN)).clone()
    metadata.setOptions({ waitForReady: true })
    const { path, responseDeserialize } = RegistryServiceService.report
    return this.#registry.makeBidiStreamRequest(path, asTheyAre, responseDeserialize, metadata)
  }

  /** Makes a call of the registry, whose metadata this gives. */
  async ask<T> (call: (registry: RegistryServiceClient, metadata: Metadata) => T): Promise<T> {
    return call(this.#registry, await this.#callMetadata(Date.now() + TOKEN_WITHIN))
  }

  /** What an operator should look at when a call ends so; `settings` when it may be that it has not found the service. */
  hint (code: status, settings: string | undefined): string | undefined {
    if (settings === undefined || !AWAY.has(code)) return HINTS.get(code)
    const { failure } = this.#direct
    return `look at ${settings}${failure === undefined ? '' : `: ${failure}`}`
  }

  close (): void {
    this.#direct.close()
    this.#channel.close()
  }

  #callMetadata (deadline: number): Metadata | Promise<Metadata> {
    if (typeof this.#token !== 'function') return traced(this.#metadata)
    const metadata = traced(new Metadata())
    return before(deadline, exchanged(this.#token)).then(token => {
      metadata.set('authorization', `Bearer ${token}`)
      return metadata
    })
  }
}

function headersOf (metadata: Metadata): Buffer {
  const headers = Object.entries(metadata.toHttp2Headers())
  if (headers.length === 0) return NOTHING
  return Buffer.concat(headers.flatMap(([name, values]) => {
    return [values ?? []].flat().map(value => hpack.literal(name, String(value), name === 'authorization'))
  }))
}

function traced (base: Metadata): Metadata {
  if (!traces) return base
  const metadata = base.clone()
  inject(metadata)
  return metadata
}

async function before<T> (deadline: number, something: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(failure(status.DEADLINE_EXCEEDED, '`token` gave none in time')), deadline - Date.now()).unref()
  })
  return await Promise.race([something, late]).finally(() => clearTimeout(timer))
}

// A function that gives no token is the client's own mistake, like a token that the service does not take.
async function exchanged (token: () => string | Promise<string>): Promise<string> {
  let text: unknown
  try {
    text = await token()
  } catch (error) {
    throw failure(status.UNAUTHENTICATED, `the function failed: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof text === 'string' && isToken(text)) return text
  throw failure(status.UNAUTHENTICATED, 'the function gave no token')
}

function channelCredentials (tls: Resolved['tls']): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure()
  try {
    return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null)
  } catch (error) {
    throw new TypeError(`socketpass: tls: ${(error as Error).message}`)
  }
}

function channelOptions (address: string): Record<string, string | number> {
  const list = /^ipv[46]:(?:\/\/)?([^,]+),/.exec(address)
  return {
    // Calls go round all addresses of the name.
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    // What is repeated is repeated by `decide`, within the handshake's own time.
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    // A connection that is dead is noticed within fifteen seconds.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    // Once the service is back, nobody should wait long for it; grpc-js' own figures are one second up to two minutes.
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // A replica that came back elsewhere is found soon; grpc-js would ask the name's server every thirty seconds.
    'grpc.dns_min_time_between_resolutions_ms': 1_000,
    // Every socket of the fleet may be the answer to a filter.
    'grpc.max_receive_message_length': -1,
    // A list of addresses is no name that a server could be called by.
    ...(list?.[1] === undefined ? {} : { 'grpc.default_authority': list[1] })
  }
}
