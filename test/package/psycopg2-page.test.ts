/** The page about psycopg2 names a test for each item: they are there. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')
const rows = read('docs/psycopg2.md')
  .split('\n')
  .flatMap((line) => {
    const cells = /^\| (\d+) \| .* \| (\[[x ]\].*) \|$/.exec(line)
    return cells === null ? [] : [{ row: Number(cells[1]), shownBy: cells[2]! }]
  })

describe('docs/psycopg2.md', () => {
  it('has all 31 items, each ticked', () => {
    expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1))
    expect(rows.filter(({ shownBy }) => !shownBy.startsWith('[x]'))).toEqual([])
  })

  it.each(rows)('$row: its tests exist', ({ shownBy }) => {
    const named = [...shownBy.matchAll(/`(test\/[^`]+)`: ([^;]+)(?=; `test|$)/g)]
    expect(named.length).toBeGreaterThan(0)
    for (const [, file, title] of named) {
      const titles = [
        ...read(file!).matchAll(/(?:describe|it|each[^\n]*\]\)|\]\))\(\s*(['"`])(.*?)\1,/gs),
      ].map((match) => match[2])
      expect(titles.filter((text) => text?.replaceAll('\\', '').includes(title!.trim()))).not.toEqual([])
    }
  })
})
