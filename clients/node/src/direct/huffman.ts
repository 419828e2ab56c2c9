// The lengths of HPACK's Huffman codes (RFC 7541, appendix B) by octet. The code is canonical: the lengths say it all.
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26
]
const LONGEST = 30

const OCTETS = LENGTHS.map((_length, octet) => octet).sort((a, b) => LENGTHS[a]! - LENGTHS[b]! || a - b)

/** For each length its first code, how many codes have it, and where in OCTETS they begin. */
const CODES: Array<{ first: number, count: number, begin: number }> = []
for (let length = 0, code = 0, begin = 0; length <= LONGEST; length++) {
  const count = LENGTHS.filter(of => of === length).length
  CODES.push({ first: code, count, begin })
  code = (code + count) * 2
  begin += count
}

/** The text, of Latin-1 characters. Undefined when it is no Huffman code. */
export function decode (bytes: Uint8Array): string | undefined {
  let [text, code, length] = ['', 0, 0]
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + (byte >> bit & 1)
      if (++length > LONGEST) return undefined
      const { first, count, begin } = CODES[length]!
      if (code - first < count) {
        text += String.fromCharCode(OCTETS[begin + code - first]!)
        code = length = 0
      }
    }
  }
  // What is left over are ones, less than an octet of them.
  return length < 8 && code === 2 ** length - 1 ? text : undefined
}
