import { describe, expect, it } from 'vitest'
import { runPgReceivewal } from '../../src/cli/pg-receivewal.js'
import { dropInVersionLine, NEWEST_SERVER_MAJOR, walshipVersion } from '../../src/cli/version.js'
import { FakeHost } from './fake-host.js'

/** How Barman finds the version in what a client program prints. */
function versionForBarman(line: string): string | undefined {
  const word = line.replace(/\s*\([^)]*\)/g, '').split(/\s+/)[1]
  return word !== undefined && /^(\d+)(\.(\d+)|devel|beta|alpha|rc).*/.test(word) ? word : undefined
}

describe('--version', () => {
  it.each(['--version', '-V'])('%s prints one line in PostgreSQL form on stdout', async (option) => {
    const host = new FakeHost([option, 'ignored'], { invokedAs: '/opt/bin/receiver' })
    expect(await runPgReceivewal(host)).toBe(0)
    expect(host.out).toBe(`${dropInVersionLine()}\n`)
    expect(host.err).toBe('')
  })

  it('names the drop-in, the PostgreSQL version and ours', () => {
    expect(dropInVersionLine()).toMatch(
      /^pg_receivewal \(PostgreSQL\) \d+\.\d+ \(walship \d+\.\d+\.\d+\S*\)$/,
    )
    expect(dropInVersionLine()).toContain(`(walship ${walshipVersion()})`)
  })

  it('satisfies Barman, which wants a major not below the server', () => {
    const version = versionForBarman(dropInVersionLine())
    expect(Number(version?.replace(/\.[^.]*$/, ''))).toBe(NEWEST_SERVER_MAJOR)
  })
})
