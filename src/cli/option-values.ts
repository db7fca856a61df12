import { INVALID_LSN, type Lsn, parseLsn } from '../wal/index.js'

/**
 * Values of options, read as the C originals read them (strtol, sscanf), so that a command
 * line that works there means the same here. A value that cannot be read is a RangeError or
 * SyntaxError whose message is PostgreSQL's own text.
 */

/** Largest --status-interval in seconds: what fits a C int in milliseconds. */
export const MAX_STATUS_INTERVAL_S = 2_147_483

/** What isspace(3) takes for a blank in the C locale. */
const BLANK = '[ \\t\\n\\v\\f\\r]'

/**
 * --status-interval.
 *
 * @param text decimal seconds; blanks around are fine, and nothing but blanks is 0
 * @returns seconds, 0 .. 2147483
 */
export function parseStatusInterval(text: string): number {
  const match = new RegExp(`^(?:${BLANK}*([+-]?\\d+))?${BLANK}*$`).exec(text)
  if (match === null) throw new SyntaxError(`invalid value "${text}" for option -s/--status-interval`)
  const seconds = match[1] === undefined ? 0 : Number(match[1])
  if (seconds < 0 || seconds > MAX_STATUS_INTERVAL_S)
    throw new RangeError(`-s/--status-interval must be in range 0..${MAX_STATUS_INTERVAL_S}`)
  return seconds + 0
}

/**
 * --endpos: two hexadecimal halves. Blanks before either half and anything after the second
 * are ignored, as scanf does.
 *
 * Halves of more than 32 bits and signs are refused, where the original silently takes another position.
 *
 * @returns undefined for 0/0, which means no end position
 */
export function parseEndPosition(text: string): Lsn | undefined {
  const half = '(?:0[xX])?([0-9A-Fa-f]+)'
  const match = new RegExp(`^${BLANK}*${half}/${BLANK}*${half}`).exec(text)
  const [high, low] = [match?.[1], match?.[2]].map((digits) => digits?.replace(/^0+(?=.)/, ''))
  if (high === undefined || low === undefined || high.length > 8 || low.length > 8)
    throw new SyntaxError(`could not parse end position "${text}"`)
  const lsn = parseLsn(`${high}/${low}`)
  return lsn === INVALID_LSN ? undefined : lsn
}
