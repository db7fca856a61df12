import { type OptionDeclaration, RECEIVE_OPTIONS } from './receive-options.js'
import { walshipVersion } from './version.js'

/** Where the text of an option begins, counted from 0: PostgreSQL's own layout. */
const TEXT_COLUMN = 25

/**
 * The drop-in's --help, in the layout of PostgreSQL's programs.
 *
 * @param programName without directory
 */
export function dropInHelp(programName: string): string {
  const sections = ['Options', 'Connection options', 'Optional actions'] as const
  const lists = sections.map((section) => {
    const lines = RECEIVE_OPTIONS.filter((option) => option.section === section).map(helpLine)
    return `${section}:\n${lines.join('\n')}\n`
  })
  return `${[
    `${programName} receives the write-ahead log of a PostgreSQL server while it is written.\n`,
    `Usage:\n  ${programName} [OPTION]...\n`,
    ...lists,
    `This is walship ${walshipVersion()}, not part of PostgreSQL: report bugs to the walship project.`,
    'PostgreSQL home page: <https://www.postgresql.org/>',
  ].join('\n')}\n`
}

function helpLine(option: OptionDeclaration): string {
  const short = option.short === undefined ? '    ' : `-${option.short}, `
  const argument = option.argument === undefined ? '' : `=${option.argument}`
  const left = `  ${short}--${option.name}${argument}`
  const text =
    option.defaultText === undefined || option.defaultText === 'none'
      ? option.description
      : `${option.description} (default: ${option.defaultText})`
  if (left.length >= TEXT_COLUMN) return `${left}\n${' '.repeat(TEXT_COLUMN)}${text}`
  return left.padEnd(TEXT_COLUMN) + text
}
