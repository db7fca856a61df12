import { describe, expect, it } from 'vitest'
import { suggestion } from '../../src/cli/suggestion.js'

const KNOWN = ['directory', 'dbname', 'slot', 'synchronous', 'status-interval', 'no-loop']

describe('suggestion', () => {
  it.each([
    ['directry', 'directory'],
    ['dierctory', 'directory'],
    ['slt', 'slot'],
    ['solt', 'slot'],
    ['sync', 'synchronous'],
    ['noloop', 'no-loop'],
    ['slot', 'slot'],
    ['xyz', undefined],
    ['s', undefined],
    ['', undefined],
    ['compress', undefined],
  ])('for %j is %j', (word, expected) => {
    expect(suggestion(word, KNOWN)).toBe(expected)
  })
})
