import * as huffman from './huffman'

// Headers without HPACK's dynamic table: this side's requests do not use it, and its SETTINGS forbid it to the other. Each
// block can be read for itself then.

const STATUS_VALUES = ['200', '204', '206', '304', '400', '404', '500']
const FIRST_STATUS = 8
const LAST_STATUS = 14
const STATIC_ENTRIES = 61

/** A header as a literal that is not indexed; `secret` asks those between not to do so either. */
export function literal (name: string, value: string, secret = false): Buffer {
  return Buffer.concat([Buffer.from([secret ? 0x10 : 0]), text(name), text(value)])
}

function text (latin1: string): Buffer {
  const bytes = Buffer.from(latin1, 'latin1')
  return Buffer.concat([integer(bytes.length), bytes])
}

// With a prefix of seven bits, whose first bit says that what follows is no Huffman code.
function integer (value: number): Buffer {
  if (value < 0x7F) return Buffer.from([value])
  const bytes = [0x7F]
  for (value -= 0x7F; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push(value % 0x80 | 0x80)
  bytes.push(value)
  return Buffer.from(bytes)
}

/**
 * The headers of a block. Of those that the static table has by name, only `:status` is told: nothing else of a response's
 * is read. Undefined when it is none, or uses the dynamic table.
 */
export function decode (block: Buffer): Map<string, string> | undefined {
  const headers = new Map<string, string>()
  const reader = new Reader(block)
  while (!reader.done) {
    const first = reader.peek()
    if (first & 0x80) {
      const index = reader.integer(7)
      if (index === 0 || index > STATIC_ENTRIES) return undefined
      if (index >= FIRST_STATUS && index <= LAST_STATUS) headers.set(':status', STATUS_VALUES[index - FIRST_STATUS]!)
    } else if ((first & 0xE0) === 0x20) {
      if (reader.integer(5) !== 0) return undefined
    } else {
      const index = reader.integer(first & 0x40 ? 6 : 4)
      if (index > STATIC_ENTRIES) return undefined
      const isStatus = index >= FIRST_STATUS && index <= LAST_STATUS
      const name = index === 0 ? reader.text() : isStatus ? ':status' : ''
      const value = reader.text()
      if (name === undefined || value === undefined) return undefined
      headers.set(name, value)
    }
  }
  return reader.broken ? undefined : headers
}

class Reader {
  broken = false
  #position = 0
  readonly #bytes: Buffer

  constructor (bytes: Buffer) {
    this.#bytes = bytes
  }

  get done (): boolean {
    return this.broken || this.#position >= this.#bytes.length
  }

  peek (): number {
    return this.#bytes[this.#position]!
  }

  integer (prefix: number): number {
    const mask = 2 ** prefix - 1
    let value = this.#byte() & mask
    if (value < mask) return value
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7F) * factor
      if (!(byte & 0x80)) return value
      // Longer than anything that could be meant.
      if (factor > 2 ** 28) this.broken = true
      if (this.broken) return 0
    }
  }

  text (): string | undefined {
    const isHuffman = !this.done && (this.peek() & 0x80) !== 0
    const length = this.integer(7)
    const end = this.#position + length
    if (this.broken || end > this.#bytes.length) {
      this.broken = true
      return undefined
    }
    const bytes = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return isHuffman ? huffman.decode(bytes) : bytes.toString('latin1')
  }

  #byte (): number {
    const byte = this.#bytes[this.#position++]
    if (byte === undefined) this.broken = true
    return byte ?? 0
  }
}
