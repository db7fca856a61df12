/** The package as npm makes it, installed and used as a user does. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
/** Without what `npm test` says to its own npm. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')),
)

let folder: string
let packed: { readonly filename: string; readonly files: readonly { readonly path: string }[] }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walship-package-'))
  // `dist` is there: npm test builds it. The scripts of a release would remove it under the other tests.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = await run('npm', args, { cwd: PROJECT, env: environment })
  packed = JSON.parse(stdout)[0]
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true }))
  const install = [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--loglevel=error',
  ]
  await run('npm', [...install, join(folder, packed.filename)], { cwd: folder, env: environment })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const node = (args: string[]) => run(process.execPath, args, { cwd: folder, env: environment })

describe('the package', () => {
  it('holds what is used, and no sources, tests or settings', () => {
    const paths = packed.files.map(({ path }) => path)
    expect(paths).toEqual(
      expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'bin/walship', 'README.md', 'LICENSE']),
    )
    const strange = paths.filter(
      (path) => !/^(dist|bin|deploy|docs)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(path),
    )
    expect(strange).toEqual([])
    expect(paths.filter((path) => /test|fuzz(?!ing\.md)|\.env|\.map$|(?<!\.d)\.ts$/.test(path))).toEqual([])
  })

  it('is imported by an ES module', async () => {
    await writeFile(
      join(folder, 'user.mjs'),
      `import { connect, formatLsn, LogicalReplicationConnection } from 'walship'
       console.log(typeof connect, formatLsn(16n), LogicalReplicationConnection.name)`,
    )
    expect((await node(['user.mjs'])).stdout).toBe('function 0/10 LogicalReplicationConnection\n')
  })

  it('is imported by CommonJS', async () => {
    await writeFile(
      join(folder, 'user.cjs'),
      `import('walship').then(({ connect, SlotConsumer }) => console.log(typeof connect, SlotConsumer.name))`,
    )
    expect((await node(['user.cjs'])).stdout).toBe('function SlotConsumer\n')
  })

  it('lets nobody reach past its door', async () => {
    const reach = node(['--input-type=module', '-e', `import 'walship/dist/pg/wire.js'`])
    await expect(reach).rejects.toMatchObject({
      stderr: expect.stringContaining('ERR_PACKAGE_PATH_NOT_EXPORTED'),
    })
  })

  it('has types that a strict user compiles with, libraries checked', async () => {
    await writeFile(
      join(folder, 'user.mts'),
      `import { connect, LogicalReplicationConnection, type ReplicationMessage } from 'walship'
       await using connection = await connect({ dsn: '', connectionFactory: LogicalReplicationConnection })
       for await (const message of connection) {
         const text: string = message.text
         const same: ReplicationMessage = message
         same.ack()
         console.log(text)
       }`,
    )
    const options =
      '--noEmit --strict --target es2023 --lib es2023,esnext.disposable --module nodenext --types node'
    const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc')
    const types = join(PROJECT, 'node_modules/@types')
    await node([
      tsc,
      ...options.split(' '),
      '--skipLibCheck',
      'false',
      '--typeRoots',
      types,
      'user.mts',
    ]).catch((error) => {
      throw new Error(error.stdout)
    })
  })

  it('has no any in its declarations', async () => {
    const root = join(folder, 'node_modules/walship/dist')
    const declarations = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.d.ts'))
    expect(declarations.length).toBeGreaterThan(100)
    const found: string[] = []
    for (const name of declarations) {
      const tree = ts.createSourceFile(
        name,
        await readFile(join(root, name), 'utf8'),
        ts.ScriptTarget.Latest,
        true,
      )
      const visit = (node: ts.Node): void => {
        if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(`${name}: ${node.parent.getText()}`)
        ts.forEachChild(node, visit)
      }
      visit(tree)
    }
    expect(found).toEqual([])
  })
})

describe('the reference', () => {
  it('can be made from the docstrings: every type is exported and every link leads somewhere', async () => {
    const out = join(folder, 'api')
    await run(process.execPath, [join(PROJECT, 'node_modules/typedoc/bin/typedoc'), '--out', out], {
      cwd: PROJECT,
      env: environment,
    }).catch((error) => {
      throw new Error(error.stdout + error.stderr)
    })
    const classes = await readdir(join(out, 'classes'))
    expect(classes).toEqual(
      expect.arrayContaining(['ReplicationCursor.md', 'SlotConsumer.md', 'Connection.md']),
    )
    expect(await readFile(join(out, 'functions/connect.md'), 'utf8')).toContain('connectionFactory')
  })
})
