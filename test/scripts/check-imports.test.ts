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

  it('reports every kind of breach with file and line, and nothing else', async () => {
    const { code, breaches } = await check({
      'base/index.ts': '',
      'base/inner.ts': '',
      'wal/index.ts': '',
      'segments/index.ts': '',
      'base/up.ts': `import '../wal/index.js'`,
      'base/up-by-type.ts': `\nimport type { B } from '../segments/index.js'`,
      'pg/sideways.ts': `import '../segments/index.js'`,
      'pg/past-the-index.ts': `export * from '../base/inner.js'`,
      'pg/missing.ts': `import './gone.js'`,
      'utils/room.ts': '',
      'pg/environment.ts': `const a = 1\n\nexport const home = process.env.HOME ?? a`,
      'receive/signal.ts': `process.on('SIGINT', () => 1)`,
      'receive/console.ts': `console.log(1)`,
      'receive/process.ts': `import { exit } from 'node:process'`,
      'wal/disk.ts': `import 'node:fs/promises'`,
      'pg/package.ts': `import '@scope/name/deep'`,
      'codec/a.ts': `import type { B } from './b.js'`,
      'codec/b.ts': `import type { A } from './a.js'`,
    })
    expect(code).toBe(1)
    expect(breaches.sort()).toEqual([
      'src/base/up-by-type.ts:2: base (storey 1) reaches up to segments (storey 3)',
      'src/base/up.ts:1: base (storey 1) reaches up to wal (storey 2)',
      'src/codec/a.ts:1: import cycle: codec/a.ts -> codec/b.ts -> codec/a.ts',
      'src/pg/environment.ts:3: only cli may use process.env',
      'src/pg/missing.ts:1: imports "./gone.js", which is not a file of src',
      'src/pg/package.ts:1: imports @scope/name, which is not among the dependencies of package.json',
      'src/pg/past-the-index.ts:1: reaches into base past its index.ts: src/base/inner.ts',
      'src/pg/sideways.ts:1: pg reaches sideways to segments (storey 3)',
      'src/receive/console.ts:1: only cli may use console.log',
      'src/receive/process.ts:1: only cli may import node:process',
      'src/receive/signal.ts:1: only cli may use process.on',
      'src/utils/room.ts:1: "utils" is not a room',
      'src/wal/disk.ts:1: wal knows neither network nor disk, and imports node:fs/promises',
    ])
  })
})
