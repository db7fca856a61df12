import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/pg/errors.js'
import { FrameSplitter } from '../../src/pg/frame-splitter.js'
import * as backend from '../support/backend-frames.js'

/** Records everything a splitter gives out, payloads as they are at the end of the run. */
class Recorder {
  readonly log: string[] = []
  readonly payloads: Buffer[][] = []
  readonly splitter: FrameSplitter

  constructor() {
    this.splitter = new FrameSplitter({
      onFrame: (type, frame) => {
        this.log.push(`frame ${String.fromCharCode(type)} ${frame.toString('hex')}`)
        if (type === 0x57) this.splitter.stream = this.#stream
        if (type === 0x63) this.splitter.stream = null
      },
    })
  }

  readonly #stream = {
    onXLogData: (start: bigint, end: bigint, time: bigint, length: number) => {
      this.log.push(`data ${start} ${end} ${time} ${length}`)
      this.payloads.push([])
    },
    onSpan: (span: Buffer) => {
      this.payloads.at(-1)!.push(Buffer.from(span))
    },
    onXLogDataEnd: () => {
      this.log.push(
        `end ${createHash('sha256')
          .update(Buffer.concat(this.payloads.at(-1)!))
          .digest('hex')}`,
      )
    },
    onKeepalive: (end: bigint, time: bigint, reply: boolean) => {
      this.log.push(`keepalive ${end} ${time} ${reply}`)
    },
    onUnknown: (type: number) => {
      this.log.push(`unknown ${type}`)
    },
    onReadEnd: () => {},
  }
}

function payload(length: number, seed: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff))
}

const session = Buffer.concat([
  backend.parameterStatus('server_version', '18.4'),
  backend.ready(),
  backend.copyBoth(),
  backend.xlogData(0x100n, payload(300, 1), 0x900n, -5n),
  backend.keepalive(0x22cn, true),
  backend.xlogData(0x22cn, Buffer.alloc(0)),
  backend.frame('d', Buffer.from('s-a message of version 19')),
  backend.frame('N', Buffer.from('SNOTICE\0Mhello\0\0')),
  backend.xlogData(0x22cn, payload(1, 2)),
  backend.keepalive(0xffff_ffff_ffff_ffffn),
  backend.copyDone(),
  backend.result(['next_tli', 'next_tli_startpos'], [['2', '0/22D']]),
])

function run(chunks: readonly Buffer[]): string[] {
  const recorder = new Recorder()
  for (const chunk of chunks) recorder.splitter.push(chunk)
  return recorder.log
}

describe('FrameSplitter', () => {
  const whole = run([session])

  it('hands over commands whole and the stream as spans', () => {
    expect(whole.map((line) => line.split(' ')[0])).toEqual([
      'frame',
      'frame',
      'frame',
      'data',
      'end',
      'keepalive',
      'data',
      'end',
      'unknown',
      'frame',
      'data',
      'end',
      'keepalive',
      'frame',
      'frame',
      'frame',
      'frame',
      'frame',
    ])
    expect(whole[3]).toBe(`data 256 2304 -5 300`)
    expect(whole[4]).toBe(`end ${createHash('sha256').update(payload(300, 1)).digest('hex')}`)
    expect(whole[12]).toBe('keepalive 18446744073709551615 0 false')
  })

  it('gives the same wherever the network cuts once', () => {
    for (let cut = 1; cut < session.length; cut += 1) {
      expect(run([session.subarray(0, cut), session.subarray(cut)])).toEqual(whole)
    }
  })

  it('gives the same byte by byte and in random pieces', () => {
    expect(run([...session].map((byte) => Buffer.from([byte])))).toEqual(whole)
    let state = 12345
    for (let round = 0; round < 200; round += 1) {
      const chunks: Buffer[] = []
      for (let offset = 0; offset < session.length; ) {
        state = (state * 1103515245 + 12345) & 0x7fffffff
        const length = 1 + ((state >> 8) % 60)
        chunks.push(session.subarray(offset, offset + length))
        offset += length
      }
      expect(run(chunks)).toEqual(whole)
    }
  })

  it('gives payload as views of the bytes that were read', () => {
    const chunk = Buffer.concat([backend.copyBoth(), backend.xlogData(0n, payload(100, 3))])
    let seen: Buffer | null = null
    const splitter: FrameSplitter = new FrameSplitter({
      onFrame: () => {
        splitter.stream = {
          onXLogData() {},
          onXLogDataEnd() {},
          onKeepalive() {},
          onUnknown() {},
          onReadEnd() {},
          onSpan: (span) => {
            seen = span
          },
        }
      },
    })
    splitter.push(chunk)
    expect(seen!.buffer).toBe(chunk.buffer)
  })
})

describe('what no server sends', () => {
  const streaming = () => {
    const recorder = new Recorder()
    recorder.splitter.push(backend.copyBoth())
    return recorder.splitter
  }

  it.each([
    ['an unknown type', Buffer.from([0x00, 0, 0, 0, 4])],
    ['a length below its own size', Buffer.from([0x5a, 0, 0, 0, 3])],
    ['a frame of 2 GB', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
    ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
  ])('refuses %s', (_what, bytes) => {
    expect(() => run([bytes])).toThrow(ProtocolError)
    expect(() => run([...bytes].map((byte) => Buffer.from([byte])))).toThrow(ProtocolError)
  })

  it('makes room for a long message as its bytes come, not on its word', () => {
    const frames: Buffer[] = []
    const splitter = new FrameSplitter({ onFrame: (_type, frame) => frames.push(Buffer.from(frame)) })
    const before = process.memoryUsage().arrayBuffers
    const header = Buffer.from('D\0\0\0\0')
    header.writeUInt32BE(15_000_004, 1)
    splitter.push(header)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
    const body = Buffer.alloc(15_000_000, 'wal')
    for (let at = 0; at < body.length; at += 65_537) splitter.push(body.subarray(at, at + 65_537))
    expect(frames).toHaveLength(1)
    expect(frames[0]!.equals(Buffer.concat([header, body]))).toBe(true)
  })

  it('refuses stream messages that are too long, too short or empty', () => {
    expect(() => streaming().push(Buffer.from([0x64, 0x7f, 0, 0, 0]))).toThrow(/too long/)
    expect(() => streaming().push(backend.frame('d'))).toThrow(/empty/)
    expect(() => streaming().push(backend.frame('d', Buffer.from('w1234567')))).toThrow(
      'streaming header too small: 8',
    )
    expect(() => streaming().push(backend.frame('d', Buffer.from('k1234567')))).toThrow(
      'streaming header too small: 8',
    )
  })
})
