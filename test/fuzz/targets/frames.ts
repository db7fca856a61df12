import { FrameSplitter } from '../../../src/pg/frame-splitter.js'
import { type FuzzTarget, firstDifference, judged, must } from '../judge.js'
import { mutateBytes } from '../mutate.js'
import type { Random } from '../random.js'
import { sessionFrames } from '../seeds.js'

let frames: Buffer[] | undefined

/**
 * The splitter, outside of a stream and in one. However the network cuts the same bytes, the same comes out, the error
 * included.
 */
export const framesTarget: FuzzTarget = {
  name: 'frames',
  shortRuns: 1500,
  run(random) {
    frames ??= sessionFrames()
    const from = random.below(frames.length)
    const piece = Buffer.concat(frames.slice(from, from + 1 + random.below(8)))
    const bytes = random.onceIn(20) ? piece : mutateBytes(random, piece.subarray(0, 40_000), frames)
    const inStream = random.onceIn(2)
    const whole = outcome([bytes], inStream)
    const cut = outcome(cuts(random, bytes), inStream)
    must(whole === cut, `other frames when they are cut: ${firstDifference(whole, cut)}`)
  },
}

function cuts(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  const most = random.pick([1, 3, 40, 5000])
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(most)
    pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}

function outcome(pieces: readonly Buffer[], inStream: boolean): string {
  const events: string[] = []
  let spans: Buffer[] = []
  const splitter = new FrameSplitter({
    onFrame: (type, frame) => events.push(`frame ${type} ${frame.toString('latin1')}`),
  })
  if (inStream)
    splitter.stream = {
      onXLogData: (...facts) => events.push(`wal ${facts.join(' ')}`),
      onSpan: (span) => spans.push(Buffer.from(span)),
      onXLogDataEnd: () => {
        events.push(Buffer.concat(spans).toString('latin1'))
        spans = []
      },
      onKeepalive: (...facts) => events.push(`keepalive ${facts.join(' ')}`),
      onUnknown: (type) => events.push(`unknown ${type}`),
      onReadEnd: () => {},
    }
  const ended = judged('the splitter', () => {
    for (const piece of pieces) splitter.push(piece)
  })
  if (spans.length > 0) events.push(`begun ${Buffer.concat(spans).toString('latin1')}`)
  return events.join('\n') + ('error' in ended ? `\n${ended.error.code} ${ended.error.message}` : '')
}
