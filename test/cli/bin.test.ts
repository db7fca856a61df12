import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** A package with our bin and a stand-in for the built program, and a folder of links on PATH. */
const folder = mkdtempSync(join(tmpdir(), 'walship-cli-'))
const installed = join(folder, 'package')
const links = join(folder, 'links')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeAll(() => {
  cpSync(fileURLToPath(new URL('../../bin', import.meta.url)), join(installed, 'bin'), { recursive: true })
  writeFileSync(join(installed, 'package.json'), '{"type":"module"}')
  mkdirSync(links)
  symlinkSync(join(installed, 'bin/pg_receivewal'), join(links, 'pg_receivewal'))
  symlinkSync(join(installed, 'bin/walship'), join(links, 'walship'))
})

function build(): void {
  mkdirSync(join(installed, 'dist/cli'), { recursive: true })
  writeFileSync(
    join(installed, 'dist/cli/index.js'),
    'export async function main(program) { console.log(JSON.stringify([program, ...process.argv.slice(2)])) }',
  )
}

function run(command: string, ...args: string[]) {
  const PATH = [links, process.env.PATH].join(delimiter)
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { PATH },
    cwd: folder,
  })
  return { status, out: stdout, err: stderr }
}

describe('bin', () => {
  it('says what to do when the package is not built', () => {
    const { status, err } = run('pg_receivewal', '--version')
    expect(status).toBe(1)
    expect(err).toContain('pg_receivewal: error: the program is not complete')
    expect(err).toContain('npm run build')
  })

  it.each([
    ['pg_receivewal', 'pg_receivewal'],
    ['walship', 'walship'],
    ['./links/pg_receivewal', 'pg_receivewal'],
    ['./package/bin/walship', 'walship'],
  ])('%s starts the program, also through a link', (command, program) => {
    build()
    const args = ['-n', '--help', '']
    expect(run(command, ...args)).toEqual({
      status: 0,
      out: `${JSON.stringify([program, ...args])}\n`,
      err: '',
    })
  })
})
