import { WalScanner } from './wal-scanner.js'

/**
 * Checks WAL as it passes by, and nothing else: no byte is copied and no record is built. What it checks, what
 * `verifiedLsn` promises and how it goes on after a problem: see WalScanner.
 */
export class WalVerifier extends WalScanner {
  protected override onWholeRecords(): void {}
  protected override onWholeRecord(): void {}
  protected override onRecordPart(): void {}
  protected override onJoinedRecord(): void {}
  protected override onDroppedRecord(): void {}
}
