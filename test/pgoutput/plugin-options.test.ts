import { describe, expect, it } from 'vitest'
import { pgoutputOptions } from '../../src/pgoutput/index.js'

describe('options of pgoutput', () => {
  it.each([
    [130023, '1'],
    [140000, '2'],
    [150018, '3'],
    [160000, '4'],
    [180004, '4'],
    [100023, '1'],
  ])('server %i: protocol version %s', (serverVersion, version) => {
    expect(pgoutputOptions({ publications: ['p'] }, serverVersion)).toEqual({
      proto_version: version,
      publication_names: '"p"',
    })
  })

  it('names keep their case and their quotes', () => {
    const options = pgoutputOptions({ publications: ['Mixed Case', 'a"b', 'c,d'] }, 180000)
    expect(options.publication_names).toBe('"Mixed Case","a""b","c,d"')
  })

  it('only what was asked for is there', () => {
    const everything = {
      binary: true,
      messages: true,
      streaming: 'parallel',
      twoPhase: true,
      origin: 'none',
    } as const
    expect(pgoutputOptions({ publications: ['p'], ...everything }, 180000)).toEqual({
      proto_version: '4',
      publication_names: '"p"',
      binary: 'true',
      messages: 'true',
      streaming: 'parallel',
      two_phase: 'true',
      origin: 'none',
    })
    expect(pgoutputOptions({ publications: ['p'], streaming: 'off', binary: false }, 130000)).toEqual({
      proto_version: '1',
      publication_names: '"p"',
    })
  })

  it.each([
    [{ binary: true }, 13, 'binary needs server 14'],
    [{ messages: true }, 13, 'messages needs server 14'],
    [{ streaming: 'on' }, 13, 'streaming = on needs server 14'],
    [{ streaming: 'parallel' }, 15, 'streaming = parallel needs server 16'],
    [{ twoPhase: true }, 14, 'two_phase needs server 15'],
    [{ origin: 'none' }, 15, 'origin needs server 16'],
  ] as const)('%o on server %i: %s', (options, major, problem) => {
    expect(() => pgoutputOptions({ publications: ['p'], ...options }, major * 10000 + 5)).toThrow(problem)
    expect(() => pgoutputOptions({ publications: ['p'], ...options }, (major + 1) * 10000)).not.toThrow()
  })

  it('needs a publication', () => {
    expect(() => pgoutputOptions({ publications: [] }, 180000)).toThrow('no publication')
  })
})
