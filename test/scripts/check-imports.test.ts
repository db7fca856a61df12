import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const CHECK = fileURLToPath(new URL('../../scripts/check-imports.mjs', import.meta.url))
const folders: string[] = []

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

async function check(files: Record<string, string>): Promise<{ code: number; breaches: string[] }> {
  const project = await mkdtemp(join(tmpdir(), 'walship-imports-'))
  folders.push(project)
  await writeFile(join(project, 'package.json'), JSON.stringify({ dependencies: { pino: '1' } }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(project, 'src', path)), { recursive: true })
    await writeFile(join(project, 'src', path), text)
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [CHECK, project], (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, breaches: stderr.split('\n').filter((line) => line !== '') })
    })
  })
}

describe('check-imports', () => {
  it('accepts downward imports through index.ts, and everything in cli', async () => {
    const { code, breaches } = await check({
      'base/index.ts': `export * from './errors.js'`,
      'base/errors.ts': `export const a = 1`,
      'pg/index.ts': `import { a } from '../base/index.js'\nimport 'node:net'\nexport const b = a`,
      'cli/main.ts': `import { b } from '../pg/index.js'\nimport pino from 'pino'\nprocess.exit(pino(b))`,
      'index.ts': `export { b } from './pg/index.js'`,
    })
    expect(breaches).toEqual([])
    expect(code).toBe(0)
  })

  it.each([
    [
      'upward',
      { 'base/a.ts': `import '../wal/index.js'`, 'wal/index.ts': '' },
      'base (storey 1) reaches up to wal',
    ],
    [
      'sideways',
      { 'pg/a.ts': `import '../segments/index.js'`, 'segments/index.ts': '' },
      'pg reaches sideways',
    ],
    ['past the index', { 'pg/a.ts': `export * from '../base/x.js'`, 'base/x.ts': '' }, 'past its index.ts'],
    ['missing file', { 'base/a.ts': `import './gone.js'` }, 'not a file of src'],
    ['unknown room', { 'utils/a.ts': '' }, '"utils" is not a room'],
    ['process.env', { 'pg/a.ts': `export const home = process.env.HOME` }, 'only cli may use process.env'],
    ['signals', { 'receive/a.ts': `process.on('SIGINT', () => 1)` }, 'only cli may use process.on'],
    ['console', { 'receive/a.ts': `console.log(1)` }, 'only cli may use console.log'],
    ['disk in wal', { 'wal/a.ts': `import 'node:fs/promises'` }, 'knows neither network nor disk'],
    [
      'undeclared package',
      { 'pg/a.ts': `import '@scope/name/deep'` },
      'imports @scope/name, which is not among',
    ],
    [
      'type import upward',
      { 'base/a.ts': `import type { B } from '../pg/index.js'`, 'pg/index.ts': '' },
      'base (storey 1) reaches up to pg',
    ],
    [
      'cycle of type imports',
      { 'wal/a.ts': `import type { B } from './b.js'`, 'wal/b.ts': `import type { A } from './a.js'` },
      'import cycle: wal/a.ts -> wal/b.ts -> wal/a.ts',
    ],
  ])('reports %s', async (_name, files, expected) => {
    const { code, breaches } = await check(files as unknown as Record<string, string>)
    expect(code).toBe(1)
    expect(breaches).toHaveLength(1)
    expect(breaches[0]).toContain(expected)
  })

  it('names file and line', async () => {
    const { breaches } = await check({ 'pg/a.ts': `const a = 1\n\nprocess.exit(a)` })
    expect(breaches).toEqual(['src/pg/a.ts:3: only cli may use process.exit'])
  })
})
