/**
 * Assembles src/records/record-walk.wat and writes the bytes where the program finds them. A test sees to it that it was
 * not forgotten. Usage: node --import tsx scripts/assemble-wat.ts
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import wabt from 'wabt'

const SOURCE = new URL('../src/records/record-walk.wat', import.meta.url)
const TARGET = new URL('../src/records/record-walk-wasm.ts', import.meta.url)

/** The text of record-walk-wasm.ts. */
export async function assembledModule(): Promise<string> {
  const { parseWat } = await wabt()
  const module = parseWat('record-walk.wat', await readFile(SOURCE))
  try {
    module.validate()
    const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64')
    const lines = base64.match(/.{1,100}/g)!.map((line) => `  '${line}',`)
    return `/** record-walk.wat, assembled by scripts/assemble-wat.ts. */
export const RECORD_WALK_WASM = [
${lines.join('\n')}
].join('')
`
  } finally {
    module.destroy()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(TARGET, await assembledModule())
