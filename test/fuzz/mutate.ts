import type { Random } from './random.js'

/** Numbers at which length and position fields break. */
const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 5, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
  0xfffffffe, 0xffffffff,
]

/** A copy with a few changes of the kinds that parsers get wrong. `others` lend pieces. */
export function mutateBytes(random: Random, original: Buffer, others: readonly Buffer[] = []): Buffer {
  let bytes = Buffer.from(original)
  for (let changes = 1 + random.below(4); changes > 0; changes--) bytes = changed(random, bytes, others)
  return bytes
}

function changed(random: Random, bytes: Buffer, others: readonly Buffer[]): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1)
  switch (random.below(9)) {
    case 0:
      if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << random.below(8)
      return Buffer.from(bytes)
    case 1:
      if (bytes.length > 0) bytes[at % bytes.length] = random.below(256)
      return Buffer.from(bytes)
    case 2:
      return Buffer.from(bytes.subarray(0, at))
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(12)), bytes.subarray(at)])
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(16))])
    case 5: {
      const piece = bytes.subarray(at, at + random.below(64))
      return Buffer.concat([bytes.subarray(0, at), piece, piece, bytes.subarray(at)])
    }
    case 6: {
      const size = random.pick([2, 4, 8] as const)
      if (bytes.length < size) return Buffer.from(bytes)
      const place = at % (bytes.length - size + 1)
      const value = BigInt(random.pick(EDGES))
      const written = random.onceIn(3) && size === 8 ? (value << 32n) | value : value
      const field = Buffer.alloc(8)
      const isBig = random.onceIn(2)
      if (isBig) field.writeBigUInt64BE(BigInt.asUintN(64, written))
      else field.writeBigUInt64LE(BigInt.asUintN(64, written))
      field.copy(bytes, place, isBig ? 8 - size : 0, isBig ? 8 : size)
      return Buffer.from(bytes)
    }
    case 7: {
      const lender = others.length > 0 ? random.pick(others) : bytes
      const from = random.below(lender.length + 1)
      const piece = lender.subarray(from, from + random.below(256))
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)])
    }
    default:
      bytes.fill(random.pick([0, 0xff, 0x20]), at, Math.min(bytes.length, at + random.below(32)))
      return Buffer.from(bytes)
  }
}

/** A text with a few changes; `words` are what means something in it. */
export function mutateText(random: Random, original: string, words: readonly string[]): string {
  let text = original
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(text.length + 1)
    const before = text.slice(0, at)
    switch (random.below(7)) {
      case 0:
        text = before + random.pick(words) + text.slice(at)
        break
      case 1:
        text = before + text.slice(at + 1 + random.below(8))
        break
      case 2:
        text = before + random.pick(ODD_CHARACTERS) + text.slice(at)
        break
      case 3:
        text = before + text.slice(at).repeat(2)
        break
      case 4:
        text = before
        break
      case 5:
        text = before + random.pick(words) + text.slice(at + random.below(16))
        break
      default:
        text = before + random.pick(ODD_CHARACTERS).repeat(random.pick([2, 50, 5000])) + text.slice(at)
    }
    if (text.length > 100_000) text = text.slice(0, 100_000)
  }
  return text
}

const ODD_CHARACTERS = [
  ...'\'"\\=:@/?&,%[]{}#*-_;!~ \t\r\n\u000b\u0085\u00a0\u2028\ud800',
  '\0',
  'é',
  '🦔',
  '%00',
  '0',
  '9',
]
