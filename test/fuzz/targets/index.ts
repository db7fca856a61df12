import type { FuzzTarget } from '../judge.js'
import { archiveTarget, fileStoreTarget } from './archive.js'
import { filesCodecTarget, objectsCodecTarget } from './codec.js'
import { argumentsTarget, configTarget } from './command-lines.js'
import {
  connectOptionsTarget,
  conninfoTarget,
  passfileTarget,
  serviceFileTarget,
} from './connection-texts.js'
import { framesTarget } from './frames.js'
import { historyTarget } from './history.js'
import { inspectTarget } from './inspect.js'
import { pgoutputTarget } from './pgoutput.js'
import { scramTarget } from './scram.js'
import { sessionTarget } from './session.js'
import { indexTarget, pagesTarget, recordsTarget } from './wal.js'

/** In the order in which bytes come in. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  argumentsTarget,
  configTarget,
  conninfoTarget,
  connectOptionsTarget,
  passfileTarget,
  serviceFileTarget,
  framesTarget,
  scramTarget,
  sessionTarget,
  pgoutputTarget,
  historyTarget,
  pagesTarget,
  recordsTarget,
  indexTarget,
  inspectTarget,
  objectsCodecTarget,
  filesCodecTarget,
  archiveTarget,
  fileStoreTarget,
]
