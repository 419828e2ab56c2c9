import { Struct } from './generated/google/protobuf/struct'

/**
 * An object as the service takes it, encoded and kept as Latin-1 text: what the application does to the object later
 * changes nothing, and a text of bytes takes a fraction of the memory of a small Buffer.
 */
export type Packed = string & { readonly packed: unique symbol }

/** How large an object may be, encoded, that the service takes, and how deep. */
export const BYTES = 64 * 1024
const LEVELS = 24

// A value takes at least a tag and a length, and as much inside.
const LEAST = 4

export function pack (object: Record<string, unknown>): Packed {
  return packed(Struct.encode(Struct.wrap(object)).finish())
}

/** What has come encoded. */
export function packed (bytes: Uint8Array): Packed {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as Packed
}

export function unpack (packed: Packed): Buffer {
  return Buffer.from(packed, 'latin1')
}

/** Packs what the application gives, which may be too much, or nothing that can be told at all. */
export function packChecked (what: string, object: unknown): Packed {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new TypeError(`socketpass: ${what}: takes an object`)
  }
  return packed(encodeChecked(`socketpass: ${what}:`, object as Record<string, unknown>))
}

/** Encodes what may be too much. That is found before it costs anything, also of what contains itself. */
export function encodeChecked (what: string, object: Record<string, unknown>): Uint8Array {
  const tooLarge = `${what} is larger than ${BYTES} bytes`
  let room = BYTES + LEAST
  const measure = (value: unknown, levels: number): void => {
    room -= LEAST
    if (typeof value === 'string') room -= value.length
    if (room < 0) throw new RangeError(tooLarge)
    if (typeof value !== 'object' || value === null) return
    if (levels === 0) throw new RangeError(`${what} is deeper than ${LEVELS} levels`)
    if (Array.isArray(value)) {
      for (const member of value) measure(member, levels - 1)
      return
    }
    for (const [name, member] of Object.entries(value)) {
      room -= name.length
      measure(member, levels - 1)
    }
  }
  measure(object, LEVELS)
  const bytes = Struct.encode(Struct.wrap(object)).finish()
  if (bytes.length > BYTES) throw new RangeError(tooLarge)
  return bytes
}
