import { CONNECTION_KEYWORDS } from '../../../src/pg/connection-keywords.js'
import { connectionParameters } from '../../../src/pg/connection-parameters.js'
import { parseConnectionString } from '../../../src/pg/conninfo.js'
import { findPassword } from '../../../src/pg/passfile.js'
import { parseService } from '../../../src/pg/service-file.js'
import { type FuzzTarget, judged, must } from '../judge.js'
import { mutateText } from '../mutate.js'
import type { Random } from '../random.js'

const NAMES = CONNECTION_KEYWORDS.map(({ name }) => name)
const CONNINFOS = [
  'host=db1,db2 port=5432,5433 user=ada dbname=replication connect_timeout=10 application_name=w',
  "host = '/var/run/postgresql' password = 'it\\'s  secret' sslmode=verify-full sslrootcert=system",
  'host=::1 hostaddr=127.0.0.1 options=-cgeqo=off keepalives_idle=30 target_session_attrs=primary',
  'postgresql://ada:p%40ss@db1:5432,[::1]:5433/replication?sslmode=require&connect_timeout=3',
  'postgres://%2Fvar%2Frun/x?application_name=a%20b&password=s',
  'require_auth=scram-sha-256,!md5 channel_binding=require min_protocol_version=3.0 ssl_min_protocol_version=TLSv1.3',
]
const WORDS = [
  ...NAMES.map((name) => `${name}=`),
  "'",
  '\\',
  ' = ',
  '://',
  'postgresql://',
  '%',
  '%2F',
  '&',
  '[::1]',
  ',',
  '@',
  '99999999999999999999',
  '-1',
  '1e9',
]

/** Connection strings in both forms. What is written by the rules is read back as it was. */
export const conninfoTarget: FuzzTarget = {
  name: 'conninfo',
  shortRuns: 2000,
  run(random) {
    const text = mutateText(random, random.pick(CONNINFOS), WORDS)
    judged('parseConnectionString', () => parseConnectionString(text))
    judged('connectionParameters', () =>
      connectionParameters(
        { dsn: text, environment: { HOME: '/nowhere', PGSYSCONFDIR: '/nowhere' } },
        'true',
      ),
    )
    const values = new Map<string, string>()
    for (let count = random.below(5); count > 0; count--) {
      const value = mutateText(random, "a 'b' \\c %d", WORDS).replaceAll('\0', '')
      values.set(random.pick(NAMES), value)
    }
    const written = [...values]
      .map(([name, value]) => `${name}='${value.replace(/['\\]/g, '\\$&')}'`)
      .join(' ')
    sameMap(values, parseConnectionString(written), written)
    const uri = `postgresql://?${[...values].map(([name, value]) => `${name}=${percent(value)}`).join('&')}`
    sameMap(values, parseConnectionString(uri), uri)
  },
}

function percent(value: string): string {
  return [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

function sameMap(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
  text: string,
): void {
  // A lone surrogate has no UTF-8, so a URI cannot hold it.
  for (const [name, value] of expected)
    must(
      found.get(name) === value || found.get(name) === Buffer.from(value).toString(),
      `${name} was not read back from ${JSON.stringify(text.slice(0, 300))}`,
    )
}

const PASSFILE = 'db:5432:replication:ada:hunter2\n# comment\n*:*:*:*:a\\:b\\\\c\nlocalhost:*:x\\:y:z:\n'

/** Password files. A line that is written by the rules is found. */
export const passfileTarget: FuzzTarget = {
  name: 'passfile',
  shortRuns: 2000,
  run(random) {
    const query = { host: 'db', port: '5432', database: 'replication', user: 'ada' }
    const text = mutateText(random, PASSFILE, [':', '\\', '*', '#', '\n', '\r\n', 'db', '5432'])
    const found = judged('findPassword', () => findPassword(text, query))
    must('value' in found, 'a password file was refused')
    const field = (): string =>
      mutateText(random, 'a:b\\c', [':', '\\', '*x']).replace(/[\n\r\0]/g, '') || 'x'
    const wanted = { host: field(), port: field(), database: field(), user: field() }
    const password = field()
    const line = [...Object.values(wanted), password].map((part) => part.replace(/[:\\]/g, '\\$&')).join(':')
    if (line.startsWith('#')) return
    must(findPassword(line, wanted) === password, `not found in ${JSON.stringify(line.slice(0, 300))}`)
  },
}

const SERVICE_FILE =
  '[one]\nhost=db\nport=5432\n\n# comment\n[two]\nhost=other\nuser=ada\n[three]\nldap://x\n'

/** Service files. */
export const serviceFileTarget: FuzzTarget = {
  name: 'servicefile',
  shortRuns: 2000,
  run(random) {
    const text = mutateText(random, SERVICE_FILE, [
      '[',
      ']',
      '=',
      '[two]',
      'ldap',
      'service=x',
      ...WORDS.slice(0, 8),
    ])
    judged('parseService', () => parseService(text, random.pick(['one', 'two', 'three', '', ']']), 'file'))
  },
}

/** A client's options as a program gives them. */
export const connectOptionsTarget: FuzzTarget = {
  name: 'options',
  shortRuns: 1000,
  run(random) {
    const keywords = Object.fromEntries(
      Array.from({ length: 1 + random.below(4) }, () => [random.pick(NAMES), oddValue(random)]),
    )
    const environment = { HOME: '/nowhere', PGSYSCONFDIR: random.pick(['/nowhere', '/dev', '\0']) }
    judged('connectionParameters', () => connectionParameters({ keywords, environment }, 'database'))
  },
}

function oddValue(random: Random): string {
  return random.pick([
    '',
    '\0',
    'a\0b',
    '/',
    '..',
    '-1',
    '0',
    '5432',
    'on',
    '99999999999',
    '/dev',
    'system',
    ',',
    ',,',
    'x'.repeat(5000),
    mutateText(random, '/tmp', WORDS),
  ])
}
