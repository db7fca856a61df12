import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { invokedName } from '../../src/cli/invocation.js'

const folder = mkdtempSync(join(tmpdir(), 'walship-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const [first, second] = [join(folder, 'first'), join(folder, 'second')]
for (const directory of [first, second]) {
  mkdirSync(directory)
  writeFileSync(join(directory, 'tool'), '')
}

describe('invokedName', () => {
  it('is the bare name for what PATH leads to', () => {
    expect(invokedName(join(first, 'tool'), 0, { PATH: `/nonexistent:${first}:${second}` })).toBe('tool')
  })

  it('is the path where PATH leads to another file, or to none', () => {
    const path = join(second, 'tool')
    expect(invokedName(path, 0, { PATH: `${first}:${second}` })).toBe(path)
    expect(invokedName(path, 0, { PATH: '' })).toBe(path)
    expect(invokedName(path, 0, {})).toBe(path)
  })
})
