import { Struct } from './generated/google/protobuf/struct'

/**
 * An object as the service takes it, encoded and kept as Latin-1 text: what the application does to the object later
 * changes nothing, and a text of bytes takes a fraction of the memory of a small Buffer.
 */
export type Packed = string & { readonly packed: unique symbol }

/** How deep an object may be that the service takes. */
export const LEVELS = 24
const BYTES = 64 * 1024

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
  if (isDeeper(object, LEVELS)) throw new RangeError(`socketpass: ${what}: is deeper than ${LEVELS} levels`)
  const packed = pack(object as Record<string, unknown>)
  if (packed.length > BYTES) throw new RangeError(`socketpass: ${what}: is larger than ${BYTES} bytes`)
  return packed
}

/** Also true of what contains itself. */
export function isDeeper (value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(member => isDeeper(member, levels - 1))
}
