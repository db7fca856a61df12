import { giveToOwner } from './failure-owner.js'

/**
 * The last resort. A failure that no part of the program caught is printed and ends it with
 * status 1: an archiver that is half dead but still runs is worse than one a supervisor restarts.
 * Of several clusters only the one that it happened in ends, if that is known.
 *
 * @param report prints it
 */
export function closeFatalDoor(report: (error: unknown) => void): void {
  const die = (error: unknown) => {
    if (giveToOwner(error)) return
    try {
      report(error)
    } finally {
      process.exit(1)
    }
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  // Nobody reads our output any more: no reason to stop archiving.
  process.stdout.on('error', ignoreBrokenPipe)
  process.stderr.on('error', ignoreBrokenPipe)
}

function ignoreBrokenPipe(): void {}
