import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errnoOf, errnoText } from '../base/index.js'
import { isConnectionKeyword } from './connection-keywords.js'
import { UsageError } from './errors.js'

/** Where Debian and where a default build keep `pg_service.conf` for the whole system. */
const SYSTEM_DIRECTORIES = ['/etc/postgresql-common', '/usr/local/pgsql/etc']

export interface ServiceFilePlaces {
  /** A file named outright (`servicefile`, PGSERVICEFILE): it must exist. */
  readonly file?: string
  readonly homeDirectory?: string
  /** PGSYSCONFDIR. */
  readonly systemDirectory?: string
}

/**
 * The parameters that a service stands for. PostgreSQL chapter 32.17.
 *
 * The user's file is asked first, then the system's; the first that defines the service wins.
 *
 * @param service the name between the brackets
 * @throws UsageError when no file defines the service, a file named outright is missing, or a line is wrong
 */
export function readService(service: string, places: ServiceFilePlaces): Map<string, string> {
  const files: { name: string; mustExist: boolean }[] = []
  if (places.file !== undefined && places.file !== '') files.push({ name: places.file, mustExist: true })
  else if (places.homeDirectory !== undefined)
    files.push({ name: path.join(places.homeDirectory, '.pg_service.conf'), mustExist: false })
  const systemDirectories =
    places.systemDirectory !== undefined ? [places.systemDirectory] : SYSTEM_DIRECTORIES
  for (const directory of systemDirectories)
    files.push({ name: path.join(directory, 'pg_service.conf'), mustExist: false })

  for (const { name, mustExist } of files) {
    const text = readIfThere(name)
    if (text === null) {
      if (mustExist) throw new UsageError(`service file "${name}" not found`, { code: 'PG_SERVICE' })
      continue
    }
    const found = parseService(text, service, name)
    if (found !== null) return found
  }
  throw new UsageError(`definition of service "${service}" not found`, {
    code: 'PG_SERVICE',
    hint: `add a section [${service}] to ~/.pg_service.conf, or name the file in PGSERVICEFILE`,
  })
}

/**
 * One service's section of a service file's text.
 *
 * @returns null when the file does not define the service
 */
export function parseService(text: string, service: string, fileName: string): Map<string, string> | null {
  const parameters = new Map<string, string>()
  let inSection = false
  for (const [index, rawLine] of text.split('\n').entries()) {
    const line = rawLine.trim()
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('[')) {
      if (inSection) return parameters
      inSection = line.startsWith(`[${service}]`)
      continue
    }
    if (!inSection) continue
    const at = `service file "${fileName}", line ${index + 1}`
    if (line.startsWith('ldap'))
      throw new UsageError(`LDAP lookup of connection parameters is not supported, in ${at}`, {
        code: 'PG_SERVICE',
        hint: 'write the parameters themselves into the service file',
      })
    const equals = line.indexOf('=')
    const keyword = line.slice(0, Math.max(equals, 0))
    if (keyword === 'service' || keyword === 'servicefile')
      throw new UsageError(`nested ${keyword} specifications not supported in ${at}`, { code: 'PG_SERVICE' })
    if (equals < 0 || !isConnectionKeyword(keyword))
      throw new UsageError(`syntax error in ${at}`, {
        code: 'PG_SERVICE',
        hint: 'each line is keyword=value, without blanks around "="',
      })
    if (!parameters.has(keyword)) parameters.set(keyword, line.slice(equals + 1))
  }
  return inSection ? parameters : null
}

function readIfThere(fileName: string): string | null {
  try {
    return readFileSync(fileName, 'utf8')
  } catch (error) {
    const errno = errnoOf(error)
    // libpq passes over a file it cannot open in any way; a directory in its place is the same.
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EACCES' || errno === 'EISDIR') return null
    throw new UsageError(`could not read service file ${JSON.stringify(fileName)}: ${errnoText(error)}`, {
      code: 'PG_SERVICE',
      hint: 'name a readable file in PGSERVICEFILE',
      cause: error,
    })
  }
}
