import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { STORE_OPTION_TABLE } from '../../src/store/index.js'

const text = readFileSync(new URL('../../docs/object-stores.md', import.meta.url), 'utf8')

describe('docs/object-stores.md', () => {
  it.each(STORE_OPTION_TABLE.map(({ name }) => name))('tells of --%s', (name) => {
    expect(text).toMatch(new RegExp(`--${name}\\b(?!-)`))
  })

  it('tells of no option that there is not', () => {
    const known = new Set(STORE_OPTION_TABLE.map(({ name }) => name))
    const told = [...text.matchAll(/--(s3-[a-z0-9-]+)/g)].map(([, name]) => name!)
    expect(told.filter((name) => !known.has(name))).toEqual([])
  })
})
