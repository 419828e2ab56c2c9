import { status } from '@grpc/grpc-js'
import type { Socket } from 'node:net'
import { failure } from '../failure'
import { OPENING_WITHIN } from '../opening'
import * as hpack from './hpack'

// One HTTP/2 connection (RFC 9113) that does nothing but unary gRPC calls with small requests. Node's own http2 makes streams of
// them, with events, buffers and headers as objects; that costs a handshake more than all else that is done for it.

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const FRAME = { data: 0, headers: 1, rstStream: 3, settings: 4, pushPromise: 5, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 }
const FLAG = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 }
const SETTING = { headerTableSize: 1, enablePush: 2, maxConcurrentStreams: 3, initialWindowSize: 4 }

const FRAME_HEADER = 9
const MESSAGE_HEADER = 5
// The header of a call's deadline.
const TIMEOUT_ROOM = 32
const CANCEL = 8
const REFUSED_STREAM = 7

const INITIAL_WINDOW = 65_535
const LARGEST_FRAME = 16_384
const LAST_STREAM = 2 ** 31 - 1
// What grpc-js takes, too.
const LARGEST_MESSAGE = 4 * 1024 * 1024
// Room for several of them. Decisions are small: the window is seldom given back.
const WINDOW = 16 * 1024 * 1024
const WINDOW_BACK = 1024 * 1024
// What may wait for a peer that reads nothing, though it asks for answers to its pings. Requests are held by its windows.
const LARGEST_BACKLOG = 1024 * 1024
// As the channel of grpc-js has it.
const PING_EVERY = 10_000
const PONG_WITHIN = 5_000

interface Call {
  resolve: (message: Buffer) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
  /** The block before the message. It is read only when there are no trailers. */
  head: Buffer | undefined
  trailers: Map<string, string> | undefined
  data: Buffer[]
  size: number
}

/** What a connection tells. Each comes once at most, `ended` always. */
export interface Events {
  opened: () => void
  /** No further call is taken: it is closed, or will be when its last call is answered. */
  ended: () => void
}

export class Connection {
  readonly #socket: Socket
  readonly #events: Events
  readonly #head: Buffer
  readonly #calls = new Map<number, Call>()
  #state: 'opening' | 'open' | 'ended' = 'opening'
  #lastStream = -1
  #mostCalls = Infinity
  #window = INITIAL_WINDOW
  #streamWindow = INITIAL_WINDOW
  #received = 0
  // Those of the call before, which mostly are the same.
  #timeout = 0
  #timeoutHeader: Buffer = Buffer.alloc(0)
  #trailers: { block: Buffer, headers: Map<string, string> } | undefined
  #unread: Buffer = Buffer.alloc(0)
  #block: { stream: number, ends: boolean, parts: Buffer[] } | undefined
  #unwritten: Buffer[] = []
  #openingTimer: NodeJS.Timeout | undefined
  #pongs = 0
  #pingTimer: NodeJS.Timeout | undefined
  #pongTimer: NodeJS.Timeout | undefined

  /** `socket` is about to be connected, or to have finished TLS; `ready` is the event that says so. */
  constructor (socket: Socket, ready: 'connect' | 'secureConnect', path: string, authority: string, events: Events) {
    this.#socket = socket
    this.#events = events
    this.#head = Buffer.concat([
      hpack.literal(':method', 'POST'),
      hpack.literal(':scheme', ready === 'connect' ? 'http' : 'https'),
      hpack.literal(':path', path),
      hpack.literal(':authority', authority),
      hpack.literal('content-type', 'application/grpc'),
      hpack.literal('te', 'trailers')
    ])
    socket.once(ready, () => this.#greet())
    socket.on('data', bytes => this.#read(bytes))
    socket.on('error', error => this.#end(error.message))
    socket.on('close', () => this.#end('the connection was closed'))
    socket.setNoDelay(true)
    this.#openingTimer = setTimeout(() => this.#break(`the service said nothing for ${OPENING_WITHIN} ms`), OPENING_WITHIN).unref()
  }

  /** Whether it can be asked now, with a message of so many bytes, and so many of metadata. */
  takes (bytes: number, metadata = 0): boolean {
    const size = MESSAGE_HEADER + bytes
    return this.#state === 'open' && this.#calls.size < this.#mostCalls &&
      this.#head.length + TIMEOUT_ROOM + metadata <= LARGEST_FRAME &&
      size <= LARGEST_FRAME && size <= this.#window && size <= this.#streamWindow
  }

  /** Makes a call that it takes. `metadata` is encoded headers. */
  unary (message: Uint8Array, metadata: Buffer, deadline: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#lastStream += 2
      const timeout = Math.max(1, deadline - Date.now())
      const timer = setTimeout(() => {
        this.#calls.delete(stream)
        this.#write(frame(FRAME.rstStream, 0, stream, uint32(CANCEL)))
        reject(failure(status.DEADLINE_EXCEEDED, 'no answer came in time'))
        this.#closeIfDone()
      }, timeout)
      this.#calls.set(stream, { resolve, reject, timer, head: undefined, trailers: undefined, data: [], size: 0 })
      this.#window -= MESSAGE_HEADER + message.length
      this.#write(this.#request(stream, message, metadata, Math.ceil(timeout)))
      if (stream + 2 > LAST_STREAM) this.drain()
    })
  }

  // HEADERS and DATA, in one piece.
  #request (stream: number, message: Uint8Array, metadata: Buffer, timeout: number): Buffer {
    if (timeout !== this.#timeout) {
      this.#timeout = timeout
      this.#timeoutHeader = hpack.literal('grpc-timeout', `${timeout}m`)
    }
    const headersLength = this.#head.length + this.#timeoutHeader.length + metadata.length
    const bytes = Buffer.allocUnsafe(2 * FRAME_HEADER + headersLength + MESSAGE_HEADER + message.length)
    let at = writeFrameHeader(bytes, 0, headersLength, FRAME.headers, FLAG.endHeaders, stream)
    for (const part of [this.#head, this.#timeoutHeader, metadata]) {
      bytes.set(part, at)
      at += part.length
    }
    at = writeFrameHeader(bytes, at, MESSAGE_HEADER + message.length, FRAME.data, FLAG.endStream, stream)
    bytes[at] = 0 // Not compressed.
    bytes.writeUInt32BE(message.length, at + 1)
    bytes.set(message, at + MESSAGE_HEADER)
    return bytes
  }

  /** Takes no further call, and closes when the last one is answered. */
  drain (): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    clearTimeout(this.#openingTimer)
    clearTimeout(this.#pingTimer)
    this.#events.ended()
    this.#closeIfDone()
  }

  #greet (): void {
    const settings = [[SETTING.headerTableSize, 0], [SETTING.enablePush, 0], [SETTING.initialWindowSize, LARGEST_MESSAGE + MESSAGE_HEADER]]
    const bytes = settings.map(([name, value]) => Buffer.concat([Buffer.from([0, name!]), uint32(value!)]))
    this.#write(PREFACE)
    this.#write(frame(FRAME.settings, 0, 0, ...bytes))
    this.#write(frame(FRAME.windowUpdate, 0, 0, uint32(WINDOW - INITIAL_WINDOW)))
  }

  // What is said at one moment goes out at once: a write costs more than to make what is written.
  #write (bytes: Buffer): void {
    if (this.#unwritten.push(bytes) > 1) return
    process.nextTick(() => {
      this.#socket.write(this.#unwritten.length === 1 ? bytes : Buffer.concat(this.#unwritten))
      this.#unwritten = []
      if (this.#socket.writableLength > LARGEST_BACKLOG) this.#break('the service reads nothing')
    })
  }

  #read (bytes: Buffer): void {
    let unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    while (unread.length >= FRAME_HEADER) {
      const length = unread.readUIntBE(0, 3)
      if (length > LARGEST_FRAME) return this.#break('a frame is too large')
      if (unread.length < FRAME_HEADER + length) break
      const stream = unread.readUInt32BE(5) & LAST_STREAM
      this.#frame(unread[3]!, unread[4]!, stream, unread.subarray(FRAME_HEADER, FRAME_HEADER + length))
      unread = unread.subarray(FRAME_HEADER + length)
    }
    this.#unread = unread
  }

  #frame (type: number, flags: number, stream: number, payload: Buffer): void {
    if (this.#block !== undefined && type !== FRAME.continuation) return this.#break('headers are interrupted')
    switch (type) {
      case FRAME.data:
        return this.#data(stream, flags, payload)
      case FRAME.headers: {
        let block = flags & FLAG.padded ? unpadded(payload) : payload
        if (flags & FLAG.priority) block = block?.subarray(5)
        if (block === undefined) return this.#break('wrong padding')
        this.#block = { stream, ends: (flags & FLAG.endStream) !== 0, parts: [block] }
        if (flags & FLAG.endHeaders) this.#headers()
        return
      }
      case FRAME.continuation:
        if (this.#block?.stream !== stream) return this.#break('a continuation of nothing')
        this.#block.parts.push(payload)
        // A response's headers are small.
        if (this.#block.parts.length > 8) return this.#break('too many headers')
        if (flags & FLAG.endHeaders) this.#headers()
        return
      case FRAME.rstStream: {
        const error = payload.length >= 4 ? payload.readUInt32BE(0) : undefined
        return this.#fail(stream, error === REFUSED_STREAM ? status.UNAVAILABLE : status.INTERNAL, `the call was reset: ${error}`)
      }
      case FRAME.settings:
        return flags & FLAG.ack ? undefined : this.#settings(payload)
      case FRAME.ping:
        if (flags & FLAG.ack) this.#pinged()
        else this.#write(frame(FRAME.ping, FLAG.ack, 0, payload))
        return
      case FRAME.goaway: {
        if (payload.length < 8) return this.#break('a GOAWAY is too short')
        const last = payload.readUInt32BE(0) & LAST_STREAM
        this.drain()
        for (const stream of [...this.#calls.keys()]) {
          if (stream > last) this.#fail(stream, status.UNAVAILABLE, 'the replica is stopping')
        }
        return
      }
      case FRAME.windowUpdate:
        if (stream === 0 && payload.length >= 4) this.#window += payload.readUInt32BE(0) & LAST_STREAM
        return
      case FRAME.pushPromise:
        return this.#break('a push was promised')
    }
    // What is not known is passed over.
  }

  #settings (payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2)
      switch (payload.readUInt16BE(at)) {
        case SETTING.maxConcurrentStreams:
          this.#mostCalls = value
          break
        case SETTING.initialWindowSize:
          this.#streamWindow = value
      }
    }
    this.#write(frame(FRAME.settings, FLAG.ack, 0))
    if (this.#state !== 'opening') return
    this.#state = 'open'
    clearTimeout(this.#openingTimer)
    this.#events.opened()
    this.#pinged()
  }

  #data (stream: number, flags: number, payload: Buffer): void {
    this.#received += payload.length
    if (this.#received >= WINDOW_BACK) {
      this.#write(frame(FRAME.windowUpdate, 0, 0, uint32(this.#received)))
      this.#received = 0
    }
    const data = flags & FLAG.padded ? unpadded(payload) : payload
    if (data === undefined) return this.#break('wrong padding')
    const call = this.#calls.get(stream)
    if (call === undefined) return // Given up already.
    call.data.push(data)
    call.size += data.length
    if (call.size > MESSAGE_HEADER + LARGEST_MESSAGE) return this.#break('an answer is too large')
    if (flags & FLAG.endStream) this.#answered(stream, call)
  }

  #headers (): void {
    const { stream, ends, parts } = this.#block!
    this.#block = undefined
    const call = this.#calls.get(stream)
    if (call === undefined) return
    if (!ends) {
      call.head ??= Buffer.concat(parts)
      return
    }
    const block = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    if (!this.#trailers?.block.equals(block)) {
      const headers = hpack.decode(block)
      if (headers === undefined) return this.#break('the headers cannot be read')
      this.#trailers = { block: Buffer.from(block), headers }
    }
    call.trailers = this.#trailers!.headers
    this.#answered(stream, call)
  }

  #answered (stream: number, { head, trailers, data: parts, resolve }: Call): void {
    const grpcStatus = trailers?.get('grpc-status')
    if (grpcStatus === undefined) {
      const httpStatus = trailers?.get(':status') ?? (head && hpack.decode(head)?.get(':status'))
      return this.#fail(stream, ofHttp(httpStatus), `HTTP status ${httpStatus} without a gRPC status`)
    }
    if (grpcStatus !== '0') {
      const code = /^[1-9]\d*$/.test(grpcStatus) && status[Number(grpcStatus)] !== undefined ? Number(grpcStatus) : status.UNKNOWN
      return this.#fail(stream, code, percentDecoded(trailers?.get('grpc-message') ?? ''))
    }
    const data = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    if (data.length < MESSAGE_HEADER || data[0] !== 0 || data.readUInt32BE(1) !== data.length - MESSAGE_HEADER) {
      return this.#fail(stream, status.INTERNAL, 'the answer has no message')
    }
    this.#settle(stream)
    resolve(data.subarray(MESSAGE_HEADER))
  }

  #fail (stream: number, code: status, details: string): void {
    this.#settle(stream)?.reject(failure(code, details))
  }

  #settle (stream: number): Call | undefined {
    const call = this.#calls.get(stream)
    if (call === undefined) return undefined
    clearTimeout(call.timer)
    this.#calls.delete(stream)
    this.#closeIfDone()
    return call
  }

  #closeIfDone (): void {
    if (this.#state === 'ended' && this.#calls.size === 0) this.#socket.destroySoon()
  }

  // A peer that hangs holds its connections open.
  #pinged (): void {
    clearTimeout(this.#pongTimer)
    clearTimeout(this.#pingTimer)
    this.#pongs++
    this.#pingTimer = setTimeout(() => {
      const pongs = this.#pongs
      this.#write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)))
      this.#pongTimer = setTimeout(() => {
        // After this process itself has been stuck the answer may lie in the socket, unread.
        setImmediate(() => {
          if (this.#pongs === pongs) this.#break('a ping was not answered')
        })
      }, PONG_WITHIN).unref()
    }, PING_EVERY).unref()
  }

  #break (why: string): void {
    this.#end(why)
    this.#socket.destroy(new Error(why))
  }

  #end (why: string): void {
    clearTimeout(this.#pongTimer)
    this.drain()
    for (const stream of [...this.#calls.keys()]) this.#fail(stream, status.UNAVAILABLE, why)
  }
}

function frame (type: number, flags: number, stream: number, ...payload: Uint8Array[]): Buffer {
  const header = Buffer.alloc(FRAME_HEADER)
  writeFrameHeader(header, 0, payload.reduce((length, part) => length + part.length, 0), type, flags, stream)
  return Buffer.concat([header, ...payload])
}

/** Where its payload begins. */
function writeFrameHeader (bytes: Buffer, at: number, length: number, type: number, flags: number, stream: number): number {
  bytes.writeUIntBE(length, at, 3)
  bytes[at + 3] = type
  bytes[at + 4] = flags
  bytes.writeUInt32BE(stream, at + 5)
  return at + FRAME_HEADER
}

function uint32 (value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function unpadded (payload: Buffer): Buffer | undefined {
  const padding = payload[0]
  return padding === undefined || padding >= payload.length ? undefined : payload.subarray(1, payload.length - padding)
}

// As gRPC says for answers of something that is no gRPC server.
function ofHttp (httpStatus: string | undefined): status {
  switch (httpStatus) {
    case '400': return status.INTERNAL
    case '401': return status.UNAUTHENTICATED
    case '403': return status.PERMISSION_DENIED
    case '404': return status.UNIMPLEMENTED
    case '429': case '502': case '503': case '504': return status.UNAVAILABLE
    default: return status.UNKNOWN
  }
}

function percentDecoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
