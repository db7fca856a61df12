import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CLI_DOCS_PATH, renderCliDocs } from '../../scripts/generate-cli-docs.js'
import { RECEIVE_OPTIONS } from '../../src/cli/receive-options.js'
import { LOG_OPTIONS } from '../../src/cli/walship-options.js'

describe('docs/cli.md', () => {
  it('is what scripts/generate-cli-docs.ts makes of the declared options', () => {
    expect(readFileSync(CLI_DOCS_PATH, 'utf8')).toBe(renderCliDocs())
  })

  it('names every option and every variable', () => {
    const text = renderCliDocs()
    for (const { name, variable } of [...RECEIVE_OPTIONS, ...LOG_OPTIONS]) {
      expect(text).toContain(`\`--${name}`)
      if (variable !== undefined) expect(text).toContain(`\`${variable}\``)
    }
  })
})

describe('the table of options', () => {
  const all = [...RECEIVE_OPTIONS, ...LOG_OPTIONS]
  it.each(['name', 'short', 'variable'] as const)('gives each %s once', (key) => {
    const given = all.flatMap((option) => option[key as keyof typeof option] ?? [])
    expect(new Set(given).size).toBe(given.length)
  })

  it('fits descriptions into a line of help', () => {
    for (const { description } of all) {
      expect(description).toMatch(/^[^A-Z].*[^.]$/)
      expect(description.length).toBeLessThanOrEqual(54)
    }
  })
})
