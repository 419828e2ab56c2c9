// The most that a tag of one byte and a length take.
export const FIELD_ROOM = 6

/** The most that a text takes as a field. */
export function textRoom (text: string): number {
  return FIELD_ROOM + 3 * text.length
}

/** What a text takes as a field: nothing when it is empty. */
export function textSize (text: string): number {
  if (text === '') return 0
  const bytes = Buffer.byteLength(text)
  return 1 + varintSize(bytes) + bytes
}

function varintSize (value: number): number {
  let size = 1
  for (; value > 0x7F; value >>>= 7) size++
  return size
}

/** Writes protobuf fields, whose numbers are below 16, into a buffer that has room for them. */
export class FieldWriter {
  readonly #buffer: Buffer
  #at = 0

  constructor (room: number) {
    this.#buffer = Buffer.allocUnsafe(room)
  }

  /** Begins a message of so many bytes. */
  nested (tag: number, bytes: number): void {
    this.#buffer[this.#at++] = tag
    for (; bytes > 0x7F; bytes >>>= 7) this.#buffer[this.#at++] = bytes & 0x7F | 0x80
    this.#buffer[this.#at++] = bytes
  }

  text (tag: number, text: string): void {
    if (text === '') return
    this.nested(tag, Buffer.byteLength(text))
    this.#at += this.#buffer.write(text, this.#at)
  }

  bytes (tag: number, bytes: Uint8Array): void {
    this.nested(tag, bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  flag (tag: number): void {
    this.#buffer[this.#at++] = tag
    this.#buffer[this.#at++] = 1
  }

  finish (): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }
}
