import {
  LEFT_TO_RIGHT,
  MAPPED_TO_NOTHING,
  NON_ASCII_SPACE,
  PROHIBITED,
  RIGHT_TO_LEFT,
  UNASSIGNED,
} from './saslprep-tables.js'

/**
 * Prepares a password for SCRAM: SASLprep, RFC 4013.
 *
 * PostgreSQL uses a password that SASLprep refuses as it is, on both ends, so that is
 * what happens here too; an error would lock out users whose password was accepted.
 */
export function saslprep(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password
  let mapped = ''
  for (const character of password) {
    const codePoint = character.codePointAt(0)!
    if (NON_ASCII_SPACE.has(codePoint)) mapped += ' '
    else if (!MAPPED_TO_NOTHING.has(codePoint)) mapped += character
  }
  const normalized = mapped.normalize('NFKC')
  return normalized !== '' && isAllowed(normalized) ? normalized : password
}

/** No prohibited or unassigned character, and no mix of writing directions (RFC 3454 section 6). */
function isAllowed(text: string): boolean {
  const codePoints = Array.from(text, (character) => character.codePointAt(0)!)
  if (codePoints.some((codePoint) => PROHIBITED.has(codePoint) || UNASSIGNED.has(codePoint))) return false
  if (!codePoints.some((codePoint) => RIGHT_TO_LEFT.has(codePoint))) return true
  return (
    !codePoints.some((codePoint) => LEFT_TO_RIGHT.has(codePoint)) &&
    RIGHT_TO_LEFT.has(codePoints[0]!) &&
    RIGHT_TO_LEFT.has(codePoints.at(-1)!)
  )
}
