/**
 * The import rule of ARCHITECTURE.md, checked. Usage: node scripts/check-imports.mjs [project folder]
 *
 * - A room of src imports only from lower storeys, never sideways, and another room only through its index.ts.
 * - No cycles between files, type imports included.
 * - Only src/cli touches process.env, process.exit, the standard streams, argv, signals and console.
 * - The rooms of pure facts touch neither network nor disk; src uses only declared dependencies.
 *
 * Prints every breach as file:line and exits with 1 when there is one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const STOREYS = {
  base: 1,
  wal: 2,
  codec: 2,
  monitor: 3,
  records: 3,
  pg: 3,
  pgoutput: 3,
  segments: 3,
  status: 3,
  store: 3,
  receive: 4,
  archive: 4,
  restore: 4,
  consume: 4,
  verify: 4,
  inspect: 4,
  prune: 4,
  backup: 4,
  cli: 5,
}
const DOOR = 'index.ts'
const TOP_STOREY = 5
const CLI_ONLY = new Set('env exit exitCode argv stdin stdout stderr on once off kill abort'.split(' '))
/** Rooms of facts and formats: what they know comes in through calls. */
const PURE = new Set(['wal', 'codec', 'status', 'records', 'monitor', 'pgoutput'])
const OUTSIDE_WORLD = /^node:(fs|net|tls|https?|http2|dgram|dns|child_process)(\/|$)/

const project = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)))
const source = join(project, 'src')
const declared = Object.keys(
  JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).dependencies ?? {},
)
const breaches = []

const files = readdirSync(source, { recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .sort()
const importsOf = new Map(files.map((file) => [file, checkFile(file)]))
reportCycles(importsOf)

for (const breach of breaches) process.stderr.write(`${breach}\n`)
const verdict =
  breaches.length === 0 ? 'the import rule holds' : `${breaches.length} breaches of the import rule`
process.stdout.write(`${verdict} (${files.length} files)\n`)
process.exitCode = breaches.length === 0 ? 0 : 1

/** Checks one file by itself; returns the files of src that it imports. */
function checkFile(file) {
  const text = readFileSync(join(source, file), 'utf8')
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const report = (position, what) => {
    const { line } = tree.getLineAndCharacterOfPosition(position)
    breaches.push(`src/${file}:${line + 1}: ${what}`)
  }
  const room = roomOf(file)
  if (room !== DOOR && STOREYS[room] === undefined) report(0, `"${room}" is not a room`)
  if (room !== 'cli') reportCliOnly(tree, report)

  const imported = []
  for (const { fileName: specifier, pos } of ts.preProcessFile(text, true, true).importedFiles) {
    if (!specifier.startsWith('.')) {
      checkPackage(specifier, room, (what) => report(pos, what))
      continue
    }
    const target = relative(source, resolve(source, dirname(file), specifier.replace(/\.js$/, '.ts')))
    if (target.startsWith('..') || !existsSync(join(source, target))) {
      report(pos, `imports "${specifier}", which is not a file of src`)
      continue
    }
    imported.push(target)
    checkStorey(room, target, (what) => report(pos, what))
  }
  return imported
}

function roomOf(file) {
  return file.split(/[\\/]/)[0]
}

function checkStorey(room, target, report) {
  const other = roomOf(target)
  if (other === room) return
  const from = STOREYS[room] ?? TOP_STOREY
  const to = STOREYS[other] ?? TOP_STOREY
  if (to > from) report(`${room} (storey ${from}) reaches up to ${other} (storey ${to})`)
  else if (to === from && room !== DOOR) report(`${room} reaches sideways to ${other} (storey ${to})`)
  if (other !== DOOR && target !== join(other, DOOR)) {
    report(`reaches into ${other} past its index.ts: src/${target}`)
  }
}

function checkPackage(specifier, room, report) {
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) {
    if (
      PURE.has(room) &&
      OUTSIDE_WORLD.test(specifier) &&
      !(room === 'status' && /^node:https?$/.test(specifier))
    ) {
      report(`${room} knows neither network nor disk, and imports ${specifier}`)
    }
    if (room !== 'cli' && /^(node:)?process$/.test(specifier)) report(`only cli may import ${specifier}`)
    return
  }
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (!declared.includes(name)) report(`imports ${name}, which is not among the dependencies of package.json`)
}

function reportCliOnly(tree, report) {
  const visit = (node) => {
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const object = node.expression.text
      const name = node.name.text
      if (object === 'console' || (object === 'process' && CLI_ONLY.has(name))) {
        report(node.getStart(tree), `only cli may use ${object}.${name}`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
}

/** Reports each cycle once, as the path that closes it. */
function reportCycles(graph) {
  const done = new Set()
  const path = []
  const visit = (file) => {
    if (done.has(file)) return
    if (path.includes(file)) {
      const cycle = [...path.slice(path.indexOf(file)), file]
      breaches.push(`src/${file}:1: import cycle: ${cycle.join(' -> ')}`)
      return
    }
    path.push(file)
    for (const next of graph.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) visit(file)
}
