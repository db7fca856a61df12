import { controlFileFor, readSystemIdentifier } from '../restore/index.js'
import type { FetchHost } from './fetch-host.js'
import { configText, ensurePrefetcher, fetchWords, spoolFor, spoolOption } from './fetch-spool.js'

/**
 * The short way: a segment that was fetched ahead of time goes to its target by a rename. All that
 * this loads is loaded for each segment of a recovery, so it is little: no store, no parser of options, no log.
 *
 * @returns false when the long way must be gone, for whatever reason
 */
export function fetchFromSpool(host: FetchHost): boolean {
  const words = fetchWords(host.arguments)
  if (words === null) return false
  try {
    const given = spoolOption(words.options, host.environment)
    // Where a file names the spool, it takes more code to read it.
    const config = given === undefined ? configText(words.options, host) : null
    if (config !== null && /(?:^|[{,])\s*["']?spool\b/m.test(config)) return false
    const spool = spoolFor(host, words.target, given, words.options)
    if (spool === null) return false
    spool.noteAsked(words.name)
    const systemIdentifier = readSystemIdentifier(controlFileFor(words.target, host.workingDirectory))
    if (!spool.take(words.name, words.target, systemIdentifier)) return false
    ensurePrefetcher(host, spool, words)
    return true
  } catch {
    // No spool yet, or trouble that the long way meets again and can explain.
    return false
  }
}
