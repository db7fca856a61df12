import { createHash } from 'node:crypto'

/**
 * Hash functions by the OID of a signature algorithm. RFC 5929 section 4.1: a signature
 * made with MD5 or SHA-1 is hashed with SHA-256, any other with its own hash.
 */
const HASH_BY_SIGNATURE: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'sha256', // RSA with MD5
  '1.2.840.113549.1.1.5': 'sha256', // RSA with SHA-1
  '1.2.840.113549.1.1.14': 'sha224',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10040.4.3': 'sha256', // DSA with SHA-1
  '2.16.840.1.101.3.4.3.1': 'sha224', // DSA
  '2.16.840.1.101.3.4.3.2': 'sha256',
  '1.2.840.10045.4.1': 'sha256', // ECDSA with SHA-1
  '1.2.840.10045.4.3.1': 'sha224',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
}

const RSA_PSS = '1.2.840.113549.1.1.10'

const HASH_BY_OID: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha256', // SHA-1
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/**
 * The channel binding `tls-server-end-point` of a certificate: its hash, by the hash
 * function of its signature. RFC 5929 section 4.
 *
 * @param der the certificate as the server sent it
 * @returns null when the signature names no hash function (Ed25519 and the like) or the DER cannot be read
 */
export function serverEndPoint(der: Buffer): Buffer | null {
  const hash = signatureHash(der)
  return hash === null ? null : createHash(hash).update(der).digest()
}

/**
 * The hash function to use for a certificate, by name. Node tells everything about a
 * certificate except its signature algorithm.
 */
export function signatureHash(der: Buffer): string | null {
  try {
    const certificate = readElement(der, 0, SEQUENCE)
    const body = readElement(der, certificate.start, SEQUENCE)
    const algorithm = readElement(der, body.end, SEQUENCE)
    const oid = readElement(der, algorithm.start, OBJECT_IDENTIFIER)
    const name = formatOid(der.subarray(oid.start, oid.end))
    if (name === RSA_PSS) return pssHash(der, oid.end, algorithm.end)
    return HASH_BY_SIGNATURE[name] ?? null
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

const SEQUENCE = 0x30
const OBJECT_IDENTIFIER = 0x06
const CONTEXT_0 = 0xa0

/** RSASSA-PSS-params: [0] hashAlgorithm, SHA-1 when left out. RFC 4055 section 3.1. */
function pssHash(der: Buffer, start: number, end: number): string | null {
  if (start >= end) return 'sha256'
  const parameters = readElement(der, start, SEQUENCE)
  if (parameters.start >= parameters.end || der[parameters.start] !== CONTEXT_0) return 'sha256'
  const tagged = readElement(der, parameters.start, CONTEXT_0)
  const algorithm = readElement(der, tagged.start, SEQUENCE)
  const oid = readElement(der, algorithm.start, OBJECT_IDENTIFIER)
  return HASH_BY_OID[formatOid(der.subarray(oid.start, oid.end))] ?? null
}

interface Element {
  /** First byte of the content. */
  readonly start: number
  /** One past the last byte of the content. */
  readonly end: number
}

/** Reads the tag and length at `offset`. X.690 section 8.1; lengths of up to four bytes. */
function readElement(der: Buffer, offset: number, tag: number): Element {
  if (der.readUInt8(offset) !== tag) throw new RangeError('unexpected DER tag')
  const first = der.readUInt8(offset + 1)
  let length = first
  let start = offset + 2
  if (first >= 0x80) {
    const lengthBytes = first - 0x80
    if (lengthBytes < 1 || lengthBytes > 4) throw new RangeError('unsupported DER length')
    length = der.readUIntBE(start, lengthBytes)
    start += lengthBytes
  }
  if (start + length > der.length) throw new RangeError('DER element exceeds its container')
  return { start, end: start + length }
}

/** Dotted form of an object identifier. X.690 section 8.19. */
function formatOid(bytes: Buffer): string {
  const parts: number[] = []
  let value = 0
  for (const byte of bytes) {
    value = value * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    if (parts.length === 0)
      parts.push(Math.min(Math.floor(value / 40), 2), value - 40 * Math.min(Math.floor(value / 40), 2))
    else parts.push(value)
    value = 0
  }
  return parts.join('.')
}
