import { ConnectionFailedError, UsageError } from './errors.js'
import type { TargetSessionAttrs } from './parameter-checks.js'
import { simpleQuery } from './simple-query.js'
import type { Wire } from './wire.js'

/** What a session shows of its server. */
export interface SessionFacts {
  readonly wire: Wire
  readonly parameters: ReadonlyMap<string, string>
  /** A physical walsender takes no SQL. */
  readonly physical: boolean
  readonly signal: AbortSignal
}

/**
 * Checks a new session against `target_session_attrs`. PostgreSQL chapter 32.1.2.
 *
 * Servers from 14 on report what is needed by themselves. Older ones are asked, and a
 * physical walsender before 14 cannot say whether it stands by: that is an error of the
 * demand, not of the server.
 *
 * @returns null when the session fits, else libpq's words for why not
 * @throws UsageError when it cannot be decided
 */
export async function sessionMismatch(
  wanted: TargetSessionAttrs,
  facts: SessionFacts,
): Promise<string | null> {
  switch (wanted) {
    case 'any':
      return null
    case 'read-write':
      return (await isReadOnly(facts)) ? 'session is read-only' : null
    case 'read-only':
      return (await isReadOnly(facts)) ? null : 'session is not read-only'
    case 'primary':
      return (await isStandby(wanted, facts)) ? 'server is in hot standby mode' : null
    case 'standby':
    case 'prefer-standby':
      return (await isStandby(wanted, facts)) ? null : 'server is not in hot standby mode'
  }
}

async function isReadOnly(facts: SessionFacts): Promise<boolean> {
  const inHotStandby = facts.parameters.get('in_hot_standby')
  const readOnly = facts.parameters.get('default_transaction_read_only')
  if (inHotStandby !== undefined && readOnly !== undefined) return inHotStandby === 'on' || readOnly === 'on'
  return (await ask(facts, 'SHOW transaction_read_only')) === 'on'
}

async function isStandby(wanted: TargetSessionAttrs, facts: SessionFacts): Promise<boolean> {
  const inHotStandby = facts.parameters.get('in_hot_standby')
  if (inHotStandby !== undefined) return inHotStandby === 'on'
  if (facts.physical) {
    throw new UsageError(
      `target_session_attrs=${wanted} cannot be decided on a physical replication connection to a server before version 14`,
      { hint: 'use read-write or read-only, or name the one host' },
    )
  }
  return (await ask(facts, 'SELECT pg_catalog.pg_is_in_recovery()')) === 't'
}

async function ask(facts: SessionFacts, command: string): Promise<string> {
  const results = await simpleQuery(facts.wire, command, { signal: facts.signal })
  const value = results[0]?.rows[0]?.[0]
  if (value === undefined || value === null)
    throw new ConnectionFailedError(`"${command}" failed`, { retryable: true })
  return value.toString('utf8')
}
