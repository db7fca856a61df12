import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A private key and its certificate, as files. */
export interface KeyPair {
  readonly key: string
  readonly certificate: string
}

const run = (folder: string, args: readonly string[]) =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })

/** Arguments of `openssl req` for a new key: `rsa:2048`, or a curve name for ECDSA, or `ed25519`. */
function keyArguments(kind: string): string[] {
  if (kind.startsWith('rsa')) return ['-newkey', kind]
  if (kind === 'ed25519') return ['-newkey', 'ed25519']
  return ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${kind}`]
}

/** A certificate that signs itself. */
export function selfSigned(
  folder: string,
  name: string,
  options: { kind?: string; commonName?: string; extraArguments?: readonly string[] } = {},
): KeyPair {
  const pair = { key: path.join(folder, `${name}.key`), certificate: path.join(folder, `${name}.crt`) }
  run(folder, [
    'req',
    '-x509',
    '-nodes',
    ...keyArguments(options.kind ?? 'prime256v1'),
    '-days',
    '30',
    '-subj',
    `/CN=${options.commonName ?? name}`,
    '-keyout',
    pair.key,
    '-out',
    pair.certificate,
    ...(options.extraArguments ?? []),
  ])
  return pair
}

/** A certificate signed by an authority made with `selfSigned`. */
export function signedBy(
  authority: KeyPair,
  folder: string,
  name: string,
  options: { commonName?: string; alternativeNames?: string; password?: string } = {},
): KeyPair {
  const pair = { key: path.join(folder, `${name}.key`), certificate: path.join(folder, `${name}.crt`) }
  const extension = path.join(folder, `${name}.csr`)
  run(folder, [
    'req',
    '-new',
    ...(options.password === undefined ? ['-nodes'] : ['-passout', `pass:${options.password}`]),
    ...keyArguments('prime256v1'),
    '-subj',
    `/CN=${options.commonName ?? name}`,
    ...(options.alternativeNames === undefined
      ? []
      : ['-addext', `subjectAltName=${options.alternativeNames}`]),
    '-keyout',
    pair.key,
    '-out',
    extension,
  ])
  run(folder, [
    'x509',
    '-req',
    '-in',
    extension,
    '-CA',
    authority.certificate,
    '-CAkey',
    authority.key,
    '-CAcreateserial',
    '-days',
    '30',
    '-copy_extensions',
    'copy',
    '-out',
    pair.certificate,
  ])
  return pair
}

/** A revocation list of the authority that names the given certificates. */
export function revocationList(authority: KeyPair, folder: string, revoked: readonly KeyPair[]): string {
  const database = path.join(folder, 'index.txt')
  const list = path.join(folder, 'revoked.crl')
  const configuration = path.join(folder, 'ca.cnf')
  const text = `[ca]\ndefault_ca=a\n[a]\ndatabase=${database}\ndefault_md=sha256\ndefault_crl_days=30\n`
  run(folder, ['version'])
  execFileSync('/bin/sh', ['-c', `printf '%s' "$1" > "$2"; : > "$3"`, 'sh', text, configuration, database])
  const ca = ['ca', '-config', configuration, '-keyfile', authority.key, '-cert', authority.certificate]
  for (const pair of revoked) run(folder, [...ca, '-revoke', pair.certificate])
  run(folder, [...ca, '-gencrl', '-out', list])
  return list
}

export function derOf(certificateFile: string): Buffer {
  const body = readFileSync(certificateFile, 'latin1').replace(/-----[^-]*-----|\s/g, '')
  return Buffer.from(body, 'base64')
}
