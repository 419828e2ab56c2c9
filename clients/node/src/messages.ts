import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { Event, ReportRequest, Socket } from './generated/socketpass/v1/registry_service'
import type { OpenSocket } from './open-sockets'
import { unpack } from './struct'

// What goes out on a stream, encoded. The generated functions encode what they can; a batch is put together from events
// that are encoded one by one, so that it can be cut before it is too large, and users are packed already.

// (field number << 3) | length-delimited, or varint.
const REQUEST_BATCH = 2 << 3 | 2
const BATCH_SEQUENCE = 1 << 3
const BATCH_EVENTS = 2 << 3 | 2
const BATCH_COMPLETE = 3 << 3
const EVENT_OPENED = 1 << 3 | 2
const SOCKET_USER = 7 << 3 | 2
const SOCKET_DATA = 8 << 3 | 2

export function request (message: NonNullable<ReportRequest['message']>): Buffer {
  return finish(ReportRequest.encode({ message }))
}

export function opened (socket: OpenSocket): Uint8Array {
  const writer = new BinaryWriter().uint32(EVENT_OPENED).fork()
  const { socketId, namespace, sessionId, remoteAddress, origin } = socket
  const connectedAt = new Date(socket.connectedAt)
  Socket.encode(
    { gatewayId: '', socketId, namespace, sessionId, remoteAddress, origin, user: undefined, data: undefined, connectedAt },
    writer
  )
  writer.uint32(SOCKET_USER).bytes(unpack(socket.reported))
  if (socket.data !== undefined) writer.uint32(SOCKET_DATA).bytes(unpack(socket.data))
  return writer.join().finish()
}

export function closed (socketId: string): Uint8Array {
  return Event.encode({ event: { $case: 'closed', value: { socketId } } }).finish()
}

export function batch (sequence: number, events: Uint8Array[], complete: boolean): Buffer {
  const writer = new BinaryWriter().uint32(REQUEST_BATCH).fork().uint32(BATCH_SEQUENCE).uint64(sequence)
  for (const event of events) writer.uint32(BATCH_EVENTS).bytes(event)
  if (complete) writer.uint32(BATCH_COMPLETE).bool(true)
  return finish(writer.join())
}

function finish (writer: BinaryWriter): Buffer {
  const { buffer, byteOffset, byteLength } = writer.finish()
  return Buffer.from(buffer, byteOffset, byteLength)
}
