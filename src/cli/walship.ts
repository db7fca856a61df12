import { basename } from 'node:path'
import type { ClusterCommand } from './cluster-command.js'
import { CommandLineError } from './command-line-error.js'
import { PgLogger } from './pg-logging.js'
import { EXIT, type ProgramHost } from './program-host.js'
import { reportError } from './report.js'
import { readWalshipCommandLine } from './walship-command-line.js'

/**
 * `walship`: what one command line asks for, and errors as a person wants to read them.
 *
 * @returns the exit status
 */
export async function runWalship(host: ProgramHost): Promise<number> {
  const programName = basename(host.invokedAs)
  const logger = new PgLogger(programName, host.stderr, host.environment)
  try {
    const command = await readWalshipCommandLine(host, programName)
    switch (command.kind) {
      case 'text':
        host.stdout.write(command.text)
        return EXIT.done
      case 'receive':
        if (command.check) return await checkAll([command], host, programName)
        return await (await import('./walship-receive.js')).receive(command, host, programName)
      case 'receive-clusters': {
        const { clusters } = command
        await (await import('./cluster-conflicts.js')).refuseConflicts(clusters, host.environment)
        if (command.check) return await checkAll(clusters, host, programName)
        const { receiveClusters } = await import('./walship-receive.js')
        return await receiveClusters(clusters, command, host, programName)
      }
      case 'monitor':
        return await (await import('./monitor-run.js')).monitor(command, host, programName, logger)
      case 'verify':
        return await (await import('./walship-verify.js')).verify(command.settings, host, logger)
      case 'list':
        return await (await import('./walship-inspect.js')).list(command.settings, host, logger)
      case 'locate':
        return await (await import('./walship-inspect.js')).find(command.settings, host, logger)
      case 'prune':
        return await (await import('./walship-prune.js')).prune(command.settings, host, logger)
      case 'status':
        return await (await import('./walship-status.js')).status(command, host)
      case 'slot':
        return await (await import('./slot-action.js')).runSlotAction(
          command.values,
          host,
          programName,
          logger,
        )
    }
  } catch (error) {
    reportError(logger, error)
    if (!(error instanceof CommandLineError)) return EXIT.failed
    if (error.pointsAtHelp) logger.hint(`Try "${programName} --help" for more information.`)
    return EXIT.usage
  }
}

async function checkAll(
  clusters: readonly ClusterCommand[],
  host: ProgramHost,
  programName: string,
): Promise<number> {
  const { checkClusters } = await import('./check-clusters.js')
  return (await checkClusters(clusters, host, programName)) ? EXIT.done : EXIT.failed
}
