import {
  historyFileName,
  parseTimelineHistory,
  segmentFileName,
  segmentNumber,
} from '../../../src/wal/index.js'
import { type FuzzTarget, judged, must } from '../judge.js'
import { mutateText } from '../mutate.js'

const HISTORY = '1\t0/3000110\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-11-25 00:00:00+00\n'

/** Timeline history files: an answer or "this is none", and what is answered can be worked with. */
export const historyTarget: FuzzTarget = {
  name: 'history',
  shortRuns: 3000,
  run(random) {
    const text = mutateText(random, HISTORY, [
      '\t',
      '\n',
      '0/0',
      'FFFFFFFF/FFFFFFFF',
      '4294967295',
      '9999999999',
      '#',
      '0',
    ])
    const answered = judged('parseTimelineHistory', () => parseTimelineHistory(Buffer.from(text)))
    must('value' in answered, 'a history file ended with an error')
    for (const { timeline, switchPoint } of answered.value ?? []) {
      must(/^[0-9A-F]{8}\.history$/.test(historyFileName(timeline)), `timeline ${timeline} has no file name`)
      const name = segmentFileName(timeline, segmentNumber(switchPoint, 1024 * 1024), 1024 * 1024)
      must(/^[0-9A-F]{24}$/.test(name), `timeline ${timeline} has no segment's name`)
    }
  },
}
