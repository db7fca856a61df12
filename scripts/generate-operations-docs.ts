/**
 * Writes the table of metrics in docs/operations.md from their declarations.
 * Usage: npx tsx scripts/generate-operations-docs.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { METRICS } from '../src/status/index.js'

export const OPERATIONS_PATH = fileURLToPath(new URL('../docs/operations.md', import.meta.url))

const TABLE = /(<!-- metrics: [^\n]*-->\n)[\s\S]*(<!-- end of metrics -->)/

/** The text of docs/operations.md with the table of today. */
export function renderOperationsDocs(text: string): string {
  const rows = METRICS.map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`)
  const table = ['| metric | type | meaning |', '|---|---|---|', ...rows].join('\n')
  return text.replace(TABLE, (_all, begin: string, end: string) => `${begin}${table}\n${end}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(OPERATIONS_PATH, renderOperationsDocs(readFileSync(OPERATIONS_PATH, 'utf8')))
