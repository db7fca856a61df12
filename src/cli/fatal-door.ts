/**
 * The last resort. A failure that no part of the program caught is printed and ends it with
 * status 1: an archiver that is half dead but still runs is worse than one a supervisor restarts.
 *
 * @param report prints it
 */
export function closeFatalDoor(report: (error: unknown) => void): void {
  const die = (error: unknown) => {
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
