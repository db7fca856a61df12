export { openSource } from './open-source.js'
export type { RecoveryLine, Stretch } from './recovery-reach.js'
export type { StartChoice } from './start-choice.js'
export type { VerifyProblem, VerifyProblemKind } from './verify-problem.js'
export {
  type TimelineReport,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyReport,
  verifyWal,
} from './verify-wal.js'
export {
  UnreadableFile,
  type WalFile,
  type WalInventory,
  type WalSource,
  type WalSourceSpec,
} from './wal-source.js'
