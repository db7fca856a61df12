import { ConnectionFailedError } from '../pg/index.js'
import { createSlot, dropSlot } from '../receive/index.js'
import { connectionArguments } from './connection-arguments.js'
import type { PgLogger } from './pg-logging.js'
import { EXIT, type ProgramHost } from './program-host.js'
import type { ReceiveOptionValues } from './receive-options.js'

/**
 * Creates or drops a replication slot, which is all that a run with --create-slot or
 * --drop-slot does.
 *
 * @returns the exit status
 * @throws WalshipError in pg_receivewal's words
 */
export async function runSlotAction(
  values: ReceiveOptionValues,
  host: ProgramHost,
  programName: string,
  logger: PgLogger,
): Promise<number> {
  const slotName = values.slot!
  const connection = await connectionArguments(values, host, programName)
  const announce = () => {
    const doing = values['drop-slot'] ? 'dropping' : 'creating'
    if (values.verbose) logger.info(`${doing} replication slot "${slotName}"`)
  }
  try {
    if (values['drop-slot']) await dropSlot(connection, slotName)
    else await createSlot(connection, slotName, { ifNotExists: values['if-not-exists'] ?? false })
  } catch (error) {
    // Said once there is a connection, as in the original.
    if (!(error instanceof ConnectionFailedError)) announce()
    throw error
  }
  announce()
  return EXIT.done
}
