/** The lock of a directory, between real processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { DirectoryLock } from '../../src/segments/index.js'

const MODULE = fileURLToPath(new URL('../../src/segments/directory-lock.ts', import.meta.url))
const HOLD = `
  import { DirectoryLock } from ${JSON.stringify(MODULE)}
  console.log((await DirectoryLock.attempt(process.argv[1])).kind)
  setInterval(() => {}, 1000)
`

describe.skipIf(process.platform !== 'linux')('DirectoryLock', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'walship-lock-'))
    return () => rmSync(directory, { recursive: true })
  })

  /** Another process that has it, until it is killed. */
  async function otherHolder(): Promise<ChildProcess> {
    const args = ['--import', 'tsx', '--input-type=module', '-e', HOLD, directory]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [answer] = await once(child.stdout!, 'data')
    expect(String(answer)).toBe('held\n')
    return child
  }

  it('is held by one process, named, and free the moment that one is killed', async () => {
    const other = await otherHolder()
    expect(await DirectoryLock.attempt(directory)).toEqual({
      kind: 'busy',
      holder: `process ${other.pid} on ${hostname()}`,
    })
    other.kill('SIGKILL')
    await once(other, 'exit')
    const attempt = await DirectoryLock.attempt(directory)
    expect(attempt.kind).toBe('held')
    if (attempt.kind === 'held') await attempt.lock.release()
  })

  it('is free after a release, also within one process', async () => {
    const first = await DirectoryLock.attempt(directory)
    expect(first.kind).toBe('held')
    expect((await DirectoryLock.attempt(directory)).kind).toBe('busy')
    if (first.kind === 'held') await first.lock.release()
    const second = await DirectoryLock.attempt(directory)
    expect(second.kind).toBe('held')
    if (second.kind === 'held') await second.lock.release()
  })

  it('does not pass to a child of the one who has it', async () => {
    const first = await DirectoryLock.attempt(directory)
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    onTestFinished(() => void child.kill())
    await once(child, 'spawn')
    if (first.kind === 'held') await first.lock.release()
    const second = await DirectoryLock.attempt(directory)
    expect(second.kind).toBe('held')
    if (second.kind === 'held') await second.lock.release()
  })

  it('says when it cannot be had', async () => {
    expect(await DirectoryLock.attempt(join(directory, 'missing'))).toMatchObject({
      kind: 'unavailable',
      error: { code: 'DIRECTORY_NOT_LOCKED', hint: expect.stringContaining('no second process') },
    })
  })
})
