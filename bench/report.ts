/** Figures as people read them: medians, ratios and markdown tables. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |\n`
  return line(header) + line(header.map(() => '---')) + rows.map(line).join('')
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** `--name=value` from the command line as a number, else the default. */
export function numberOption(name: string, byDefault: number): number {
  const prefix = `--${name}=`
  const given = process.argv.find((argument) => argument.startsWith(prefix))
  return given === undefined ? byDefault : Number(given.slice(prefix.length))
}

/** `--name=value` from the command line as it is, else the default. */
export function textOption(name: string, byDefault: string): string {
  const prefix = `--${name}=`
  return process.argv.find((argument) => argument.startsWith(prefix))?.slice(prefix.length) ?? byDefault
}
