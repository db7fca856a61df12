import type { TextSink } from './program-host.js'

/**
 * Messages in the form of PostgreSQL's client programs: the program's name, a colon, a word
 * for the kind where there is one, the text. PG_COLOR=always or auto (on a terminal) colours
 * them, PG_COLORS says how.
 * PostgreSQL: src/common/logging.c and the section "Environment" of its programs' pages.
 */
export class PgLogger {
  readonly #prefix: string
  readonly #words: Readonly<Record<'error' | 'warning' | 'detail' | 'hint', string>>
  readonly #stream: TextSink

  /**
   * @param programName without directory
   * @param stream where all messages go
   * @param environment PG_COLOR and PG_COLORS are read from it
   */
  constructor(
    programName: string,
    stream: TextSink,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    const colors = chosenColors(environment, stream.isTTY === true)
    this.#stream = stream
    this.#prefix = painted(`${programName}: `, colors.get('locus'))
    this.#words = {
      error: painted('error: ', colors.get('error')),
      warning: painted('warning: ', colors.get('warning')),
      detail: painted('detail: ', colors.get('note')),
      hint: painted('hint: ', colors.get('note')),
    }
  }

  info(text: string): void {
    this.#write('', text)
  }

  error(text: string): void {
    this.#write(this.#words.error, text)
  }

  warning(text: string): void {
    this.#write(this.#words.warning, text)
  }

  detail(text: string): void {
    this.#write(this.#words.detail, text)
  }

  hint(text: string): void {
    this.#write(this.#words.hint, text)
  }

  #write(word: string, text: string): void {
    this.#stream.write(`${this.#prefix}${word}${text.replace(/\n$/, '')}\n`)
  }
}

const DEFAULT_COLORS = 'error=01;31:warning=01;35:note=01;36:locus=01'

function chosenColors(
  environment: Readonly<Record<string, string | undefined>>,
  onTerminal: boolean,
): ReadonlyMap<string, string> {
  const when = environment.PG_COLOR
  const colors = new Map<string, string>()
  if (when !== 'always' && !(when === 'auto' && onTerminal)) return colors
  for (const entry of (environment.PG_COLORS ?? DEFAULT_COLORS).split(':')) {
    const equals = entry.indexOf('=')
    if (equals >= 0) colors.set(entry.slice(0, equals), entry.slice(equals + 1))
  }
  return colors
}

function painted(text: string, color: string | undefined): string {
  return color === undefined ? text : `\u001b[${color}m${text}\u001b[0m`
}
