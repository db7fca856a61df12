import { StoreError } from './errors.js'
import { S3_OPTION_TABLE, type S3OptionName, type StoreOptionDeclaration } from './s3-option-table.js'
import type { S3Encryption, S3Options, StoreOptions } from './store-options.js'

/** Values as given: by name without dashes. Names of other options are left alone. */
export type StoreOptionValues = Readonly<Record<string, unknown>>

/**
 * Options of a store from their texts.
 *
 * @param values from the command line, a configuration file or variables; empty texts count as not given
 * @param environment for proxies and the AWS variables that name an endpoint or a CA file
 * @throws StoreError `STORE_OPTION` naming the option
 */
export function parseStoreOptions(
  values: StoreOptionValues,
  environment: Readonly<Record<string, string | undefined>>,
): StoreOptions {
  const text = (name: S3OptionName): string | undefined => {
    const value = values[name]
    if (value === undefined || value === null || value === '') return undefined
    const given = value === true ? 'on' : value === false ? 'off' : String(value)
    const { choices }: StoreOptionDeclaration = S3_OPTION_TABLE.find((option) => option.name === name)!
    if (choices !== undefined && !choices.includes(given))
      throw invalid(name, given, `Use one of: ${choices.join(', ')}.`)
    return given
  }
  const pathStyle = text('s3-path-style')
  const tags = text('s3-tags')
  const s3: S3Options = {
    endpoint: parseEndpoint(text('s3-endpoint')),
    region: text('s3-region'),
    profile: text('s3-profile'),
    pathStyle: pathStyle === undefined ? undefined : pathStyle === 'on',
    caFile: text('s3-ca-file'),
    encryption: parseEncryption(text('s3-sse'), text('s3-sse-kms-key-id'), text('s3-sse-c-key-file')),
    storageClass: text('s3-storage-class'),
    tags: tags === undefined ? undefined : parseTags(tags),
    objectLock: parseObjectLock(text('s3-object-lock-mode'), text('s3-object-lock-days')),
    checksum: text('s3-checksum') as S3Options['checksum'],
    conditionalPut: text('s3-conditional-put') as S3Options['conditionalPut'],
    connectTimeoutMs: seconds('s3-connect-timeout', text('s3-connect-timeout'), 1),
    idleTimeoutMs: seconds('s3-idle-timeout', text('s3-idle-timeout'), 1),
    requestTimeoutMs: seconds('s3-request-timeout', text('s3-request-timeout'), 0),
    attempts: integer('s3-attempts', text('s3-attempts'), 1, 100),
  }
  return { s3, environment }
}

function parseEndpoint(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '')
    throw invalid('s3-endpoint', redactUserInfo(value), 'give a URL such as https://s3.example.com:9000')
  return value
}

function redactUserInfo(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//***@')
}

function parseEncryption(
  method: string | undefined,
  keyId: string | undefined,
  keyFile: string | undefined,
): S3Encryption | undefined {
  if (keyId !== undefined && method !== 'aws:kms')
    throw invalid('s3-sse-kms-key-id', keyId, 'give it together with --s3-sse aws:kms')
  if (keyFile !== undefined && method !== 'customer')
    throw invalid('s3-sse-c-key-file', keyFile, 'give it together with --s3-sse customer')
  if (method === undefined) return undefined
  if (method === 'AES256') return { kind: 's3' }
  if (method === 'aws:kms') return { kind: 'kms', keyId }
  if (keyFile === undefined) throw invalid('s3-sse', method, 'name the key by --s3-sse-c-key-file')
  return { kind: 'customer', keyFile }
}

function parseTags(text: string): Record<string, string> {
  const tags: Record<string, string> = {}
  for (const [key, value] of new URLSearchParams(text)) {
    if (key === '' || key in tags) throw invalid('s3-tags', text, 'give each tag a name of its own')
    tags[key] = value
  }
  const count = Object.keys(tags).length
  if (count === 0 || count > 10) throw invalid('s3-tags', text, 'give one to ten tags, as in a=1&b=2')
  return tags
}

function parseObjectLock(mode: string | undefined, days: string | undefined): S3Options['objectLock'] {
  if (mode === undefined && days === undefined) return undefined
  if (mode === undefined) throw invalid('s3-object-lock-days', days!, 'give --s3-object-lock-mode as well')
  if (days === undefined) throw invalid('s3-object-lock-mode', mode, 'give --s3-object-lock-days as well')
  return {
    mode: mode as 'GOVERNANCE' | 'COMPLIANCE',
    days: integer('s3-object-lock-days', days, 1, 36_500)!,
  }
}

function seconds(name: S3OptionName, text: string | undefined, min: number): number | undefined {
  const value = integer(name, text, min, 86_400)
  return value === undefined ? undefined : value * 1000
}

function integer(name: S3OptionName, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw invalid(name, text, `give a whole number from ${min} to ${max}`)
  return value
}

function invalid(name: S3OptionName, value: string, hint: string): StoreError {
  return new StoreError(`invalid value "${value}" for --${name}`, { code: 'STORE_OPTION', hint })
}
