import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { md5Response } from '../../src/pg/md5.js'
import { saslprep } from '../../src/pg/saslprep.js'
import { ScramExchange } from '../../src/pg/scram.js'

const unsupported = { kind: 'unsupported' } as const

/** The exchange of RFC 7677 section 3, but for the user name, which PostgreSQL leaves empty. */
const RFC = {
  password: 'pencil',
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
}

function expectedFor(password: string, binding: string): { final: string; signature: string } {
  const salted = pbkdf2Sync(password, Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096, 32, 'sha256')
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const clientKey = hmac(salted, 'Client Key')
  const withoutProof = `c=${binding},r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`
  const message = `n=,r=${RFC.clientNonce},${RFC.serverFirst},${withoutProof}`
  const mask = hmac(createHash('sha256').update(clientKey).digest(), message)
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ mask[index]!)).toString('base64')
  return {
    final: `${withoutProof},p=${proof}`,
    signature: `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`,
  }
}

describe('a SCRAM-SHA-256 exchange', () => {
  it('has the salted password, keys and proof of RFC 7677', async () => {
    // ClientProof and ServerSignature printed in the RFC, for its user name "user".
    const salted = pbkdf2Sync('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096, 32, 'sha256')
    const clientKey = createHmac('sha256', salted).update('Client Key').digest()
    const serverKey = createHmac('sha256', salted).update('Server Key').digest()
    const byKeys = new ScramExchange({ clientKey, serverKey }, unsupported, RFC.clientNonce)
    const byPassword = new ScramExchange({ password: 'pencil' }, unsupported, RFC.clientNonce)
    const final = await byPassword.clientFinal(RFC.serverFirst)
    expect(await byKeys.clientFinal(RFC.serverFirst)).toBe(final)
    expect(final).toBe(expectedFor('pencil', 'biws').final)
  })

  it('sends the empty user name and its nonce first', () => {
    expect(new ScramExchange({ password: 'x' }, unsupported, 'abc').clientFirst()).toBe('n,,n=,r=abc')
    expect(new ScramExchange({ password: 'x' }, { kind: 'unoffered' }, 'abc').clientFirst()).toBe(
      'y,,n=,r=abc',
    )
    const bound = { kind: 'bound', serverEndPoint: Buffer.from('hash') } as const
    expect(new ScramExchange({ password: 'x' }, bound, 'abc').clientFirst()).toBe(
      'p=tls-server-end-point,,n=,r=abc',
    )
  })

  it('makes a new nonce each time', () => {
    const nonces = new Set(
      Array.from({ length: 50 }, () => new ScramExchange({ password: 'x' }, unsupported).clientFirst()),
    )
    expect(nonces.size).toBe(50)
  })

  it('binds to the certificate in the proof', async () => {
    const serverEndPoint = createHash('sha256').update('certificate').digest()
    const exchange = new ScramExchange(
      { password: 'pencil' },
      { kind: 'bound', serverEndPoint },
      RFC.clientNonce,
    )
    const binding = Buffer.concat([Buffer.from('p=tls-server-end-point,,'), serverEndPoint]).toString(
      'base64',
    )
    expect(await exchange.clientFinal(RFC.serverFirst)).toBe(expectedFor('pencil', binding).final)
  })

  it('accepts the right server signature and no other', async () => {
    const { signature } = expectedFor('pencil', 'biws')
    const exchange = async () => {
      const fresh = new ScramExchange({ password: 'pencil' }, unsupported, RFC.clientNonce)
      await fresh.clientFinal(RFC.serverFirst)
      return fresh
    }
    const right = await exchange()
    expect(right.verified).toBe(false)
    right.verifyServer(signature)
    expect(right.verified).toBe(true)

    const wrong = await exchange()
    expect(() => wrong.verifyServer(`v=${Buffer.alloc(32).toString('base64')}`)).toThrow(
      'incorrect server signature',
    )
    expect(() => wrong.verifyServer('v=AAAA')).toThrow('malformed SCRAM message (invalid server signature)')
    expect(() => wrong.verifyServer('e=other-error')).toThrow(
      'error received from server in SCRAM exchange: other-error',
    )
    expect(wrong.verified).toBe(false)
    expect(() => new ScramExchange({ password: 'x' }, unsupported).verifyServer(signature)).toThrow(
      'invalid SCRAM exchange state',
    )
  })

  const n = RFC.clientNonce
  it.each([
    ['', 'malformed SCRAM message (attribute "r" expected)'],
    ['r', 'malformed SCRAM message (expected character "=" for attribute "r")'],
    ['r=other,s=AAAA,i=4096', 'invalid SCRAM response (nonce mismatch)'],
    [`r=${n},s=AAAA,i=4096`, 'invalid SCRAM response (nonce mismatch)'],
    [`r=${n}x,i=4096`, 'malformed SCRAM message (attribute "s" expected)'],
    [`r=${n}x,s=A*,i=4096`, 'malformed SCRAM message (invalid salt)'],
    [`r=${n}x,s=,i=4096`, 'malformed SCRAM message (invalid salt)'],
    [`r=${n}x,s=AAAA`, 'malformed SCRAM message (attribute "i" expected)'],
    [`r=${n}x,s=AAAA,i=0`, 'malformed SCRAM message (invalid iteration count)'],
    [`r=${n}x,s=AAAA,i=1e3`, 'malformed SCRAM message (invalid iteration count)'],
    [`r=${n}x,s=AAAA,i=2000000000`, 'SCRAM iteration count 2000000000 is above the limit'],
    [`r=${n}x,s=AAAA,i=4096,m=x`, 'garbage at end of server-first-message'],
  ])('refuses %j', async (serverFirst, message) => {
    await expect(
      new ScramExchange({ password: 'x' }, unsupported, n).clientFinal(serverFirst),
    ).rejects.toThrow(message)
  })

  it('answers one challenge only', async () => {
    const exchange = new ScramExchange({ password: 'pencil' }, unsupported, n)
    await exchange.clientFinal(RFC.serverFirst)
    await expect(exchange.clientFinal(RFC.serverFirst)).rejects.toThrow('invalid SCRAM exchange state')
  })
})

describe('saslprep', () => {
  it.each([
    ['plain ascii', 'plain ascii'],
    ['I\u00adX', 'IX'],
    ['\u2168', 'IX'],
    ['\u00aa', 'a'],
    ['a\u00a0b', 'a b'],
    ['e\u0301', '\u00e9'],
    ['\u0627\u0661', '\u0627\u0661', 'prohibited: a digit may not end right-to-left text'],
    ['\u0627x\u0628', '\u0627x\u0628', 'prohibited: mixed directions'],
    ['\u0007\u00aa', '\u0007\u00aa', 'prohibited: a control character'],
    ['e\u0301\u{1f600}', 'e\u0301\u{1f600}', 'unassigned in Unicode 3.2'],
    ['\u00ad', '\u00ad', 'nothing would be left'],
    ['\u0627\u0628\u00ad', '\u0627\u0628'],
  ])('%j becomes %j', (password: string, prepared: string, _reason?: string) => {
    expect(saslprep(password)).toBe(prepared)
  })
})

describe('md5', () => {
  it('hashes password and user, then that and the salt', () => {
    // md5(hex(md5("pencil" + "user")) + 01 02 03 04)
    const inner = createHash('md5').update('penciluser').digest('hex')
    const outer = createHash('md5')
      .update(Buffer.concat([Buffer.from(inner), Buffer.from([1, 2, 3, 4])]))
      .digest('hex')
    expect(md5Response('user', 'pencil', Buffer.from([1, 2, 3, 4]))).toBe(`md5${outer}`)
  })
})
