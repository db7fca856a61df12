import { describe, expect, it } from 'vitest'
import { statusSettings } from '../../src/cli/status-options.js'
import { isLoopback } from '../../src/status/index.js'

describe('--http', () => {
  it.each([
    ['9187', '127.0.0.1', 9187],
    ['0.0.0.0:9187', '0.0.0.0', 9187],
    ['[::1]:80', '::1', 80],
    ['localhost:0', 'localhost', 0],
  ])('%s', (http, host, port) => {
    expect(statusSettings({ http }).http).toEqual({ host, port })
  })

  it.each(['', 'x', ':9187', '::1:9187', '70000', 'a b:1', 'http://x:1', '1:2:3'])('refuses "%s"', (http) => {
    expect(() => statusSettings({ http })).toThrow(`invalid value "${http}" for option --http`)
  })

  it('is off by default', () => {
    expect(statusSettings({})).toMatchObject({ http: null, heartbeatUrl: null, slotCheckMs: 30_000 })
  })

  it('knows what only this machine reaches', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(isLoopback(host)).toBe(true)
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'db']) expect(isLoopback(host)).toBe(false)
  })
})

describe('options that need one another', () => {
  it('are refused alone', () => {
    expect(() => statusSettings({ 'http-token-file': 'x' })).toThrow('--http-token-file needs an address')
    expect(() => statusSettings({ http: '1', 'http-tls-cert': 'x' })).toThrow('go together')
  })
})

describe('--heartbeat-url', () => {
  it('is not repeated in a complaint', () => {
    expect(() => statusSettings({ 'heartbeat-url': 'ftp://secret' })).toThrow(
      /^invalid value for option --heartbeat-url$/,
    )
  })
})
