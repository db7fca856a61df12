/**
 * Command line parsing with the rules and the words of GNU getopt_long, which
 * pg_receivewal uses: options may follow operands, short options bundle and take attached
 * values, long options may be cut to any unique prefix.
 *
 * Results come one by one in command line order, because the original looks at some values
 * the moment it meets them: which of two mistakes is reported depends on that order.
 */
export interface GetoptOption {
  /** Long name, without dashes. */
  readonly name: string
  /** Single letter. Options of the original that only exist as long ones have none. */
  readonly short?: string
  readonly hasArgument: boolean
}

export type GetoptItem =
  | { readonly kind: 'option'; readonly name: string; readonly argument: string | undefined }
  /** A mistake, in getopt's words, without the program name in front. Nothing follows it. */
  | { readonly kind: 'complaint'; readonly text: string }
  /** What is no option. Comes last. */
  | { readonly kind: 'operands'; readonly operands: readonly string[] }

/**
 * @param args the command line after the program's name
 * @param options in the order in which getopt lists the possibilities of an ambiguous prefix
 */
export function* getopt(args: readonly string[], options: readonly GetoptOption[]): Generator<GetoptItem> {
  const operands: string[] = []
  let index = 0
  while (index < args.length) {
    const word = args[index++]!
    if (word === '--') {
      operands.push(...args.slice(index))
      break
    }
    if (word.startsWith('--')) {
      const item = longOption(word.slice(2), options, () => args[index++])
      yield item
      if (item.kind === 'complaint') return
    } else if (word.startsWith('-') && word !== '-') {
      for (const item of shortOptions(word.slice(1), options, () => args[index++])) {
        yield item
        if (item.kind === 'complaint') return
      }
    } else {
      operands.push(word)
    }
  }
  yield { kind: 'operands', operands }
}

function longOption(
  word: string,
  options: readonly GetoptOption[],
  nextWord: () => string | undefined,
): GetoptItem {
  const equals = word.indexOf('=')
  const given = equals < 0 ? word : word.slice(0, equals)
  const candidates = options.filter((option) => option.name.startsWith(given))
  const option = candidates.find((candidate) => candidate.name === given) ?? candidates[0]
  if (option === undefined) return complaint(`unrecognized option '--${word}'`)
  if (candidates.length > 1 && option.name !== given) {
    const possibilities = candidates.map((candidate) => `'--${candidate.name}'`).join(' ')
    return complaint(`option '--${word}' is ambiguous; possibilities: ${possibilities}`)
  }
  if (!option.hasArgument) {
    if (equals >= 0) return complaint(`option '--${option.name}' doesn't allow an argument`)
    return { kind: 'option', name: option.name, argument: undefined }
  }
  const argument = equals < 0 ? nextWord() : word.slice(equals + 1)
  if (argument === undefined) return complaint(`option '--${option.name}' requires an argument`)
  return { kind: 'option', name: option.name, argument }
}

function* shortOptions(
  bundle: string,
  options: readonly GetoptOption[],
  nextWord: () => string | undefined,
): Generator<GetoptItem> {
  const letters = [...bundle]
  for (const [position, letter] of letters.entries()) {
    const option = options.find((candidate) => candidate.short === letter)
    if (option === undefined) {
      yield complaint(`invalid option -- '${letter}'`)
      return
    }
    if (!option.hasArgument) {
      yield { kind: 'option', name: option.name, argument: undefined }
      continue
    }
    const attached = letters.slice(position + 1).join('')
    const argument = attached === '' ? nextWord() : attached
    yield argument === undefined
      ? complaint(`option requires an argument -- '${letter}'`)
      : { kind: 'option', name: option.name, argument }
    return
  }
}

function complaint(text: string): GetoptItem {
  return { kind: 'complaint', text }
}
