/**
 * Columns below each other, two blanks apart; numbers to the right.
 *
 * @param rows of as many cells as there are headings
 */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)))
  const toTheRight = headings.map((_, column) =>
    rows.every((cells) => /^(-|\d[\d.]*( \w+)?)$/.test(cells[column]!)),
  )
  return lines
    .map((cells) =>
      cells
        .map((cell, column) =>
          toTheRight[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}
