import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serverEndPoint, signatureHash } from '../../src/pg/certificate-hash.js'
import { checkServerName } from '../../src/pg/tls-session.js'
import { derOf, selfSigned } from '../support/certificates.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'walship-certificates-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const pss = (digest: string) => ['-sigopt', 'rsa_padding_mode:pss', `-${digest}`]

describe('the hash of a certificate for channel binding', () => {
  it.each([
    ['rsa:2048', ['-sha256'], 'sha256'],
    ['rsa:2048', ['-sha384'], 'sha384'],
    ['rsa:2048', ['-sha512'], 'sha512'],
    ['rsa:2048', ['-sha1'], 'sha256'],
    ['rsa:2048', pss('sha256'), 'sha256'],
    ['rsa:2048', pss('sha512'), 'sha512'],
    ['prime256v1', ['-sha256'], 'sha256'],
    ['secp384r1', ['-sha384'], 'sha384'],
    ['prime256v1', ['-sha224'], 'sha224'],
    ['ed25519', [], null],
  ])('of a %s key signed with %j', (kind, extraArguments, hash) => {
    const der = derOf(selfSigned(folder, 'one', { kind, extraArguments }).certificate)
    expect(signatureHash(der)).toBe(hash)
    expect(serverEndPoint(der)).toEqual(hash === null ? null : createHash(hash).update(der).digest())
  })

  it('is none for bytes that are no certificate, wherever they are cut', () => {
    const der = derOf(selfSigned(folder, 'cut').certificate)
    for (let length = 0; length < der.length; length += 1)
      expect(signatureHash(der.subarray(0, length))).toBeNull()
    expect(signatureHash(Buffer.alloc(64, 0xff))).toBeNull()
  })
})

describe('the name in a server certificate', () => {
  const make = (commonName: string, alternativeNames?: string) =>
    new X509Certificate(
      readFileSync(
        selfSigned(folder, 'named', {
          commonName,
          extraArguments: alternativeNames ? ['-addext', `subjectAltName=${alternativeNames}`] : [],
        }).certificate,
      ),
    )

  it.each([
    ['db1.example', undefined, 'db1.example'],
    ['db1.example', undefined, 'DB1.Example'],
    ['other', 'DNS:db1.example,DNS:db2.example', 'db2.example'],
    ['other', 'DNS:*.example.com', 'db1.example.com'],
    ['other', 'IP:10.0.0.1', '10.0.0.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['db1.example', 'IP:10.0.0.1', 'db1.example'],
  ])('CN=%s with %s is good for %s', (commonName, alternativeNames, host) => {
    expect(() => checkServerName(make(commonName, alternativeNames), host)).not.toThrow()
  })

  it.each([
    ['db1.example', undefined, 'db2.example', '"db1.example"'],
    ['db1.example', 'DNS:other.example', 'db1.example', '"other.example"'],
    ['x', 'DNS:a.example,DNS:b.example', 'c.example', '"a.example" (and 1 other name)'],
    ['x', 'DNS:a.e,DNS:b.e,DNS:c.e', 'd.e', '"a.e" (and 2 other names)'],
    ['x', 'DNS:*.example.com', 'a.b.example.com', '"*.example.com"'],
    ['x', 'DNS:f*.example.com', 'foo.example.com', '"f*.example.com"'],
    ['x', 'IP:10.0.0.1', '10.0.0.2', '"10.0.0.1"'],
    ['10.0.0.2', 'IP:10.0.0.1', '10.0.0.2', '"10.0.0.1"'],
  ])('CN=%s with %s is not good for %s', (commonName, alternativeNames, host, shown) => {
    expect(() => checkServerName(make(commonName, alternativeNames), host)).toThrow(
      `server certificate for ${shown} does not match host name "${host}"`,
    )
  })
})
