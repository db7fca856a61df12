import { createHash } from 'node:crypto'

/**
 * The answer to AuthenticationMD5Password: `md5` followed by
 * hex(md5(hex(md5(password + user)) + salt)). PostgreSQL chapter 54.2.
 *
 * @param salt the four bytes the server sent
 */
export function md5Response(user: string, password: string, salt: Uint8Array): string {
  const stored = createHash('md5').update(password, 'utf8').update(user, 'utf8').digest('hex')
  return `md5${createHash('md5').update(stored, 'latin1').update(salt).digest('hex')}`
}
