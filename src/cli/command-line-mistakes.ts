import { CommandLineError } from './command-line-error.js'
import type { WalshipOption } from './receive-options.js'
import { suggestion } from './suggestion.js'

/** Mistakes in the command line of `walship`, with what was probably meant. */

export function tooMany(word: string): CommandLineError {
  return new CommandLineError(`too many command-line arguments (first is "${word}")`, { pointsAtHelp: true })
}

export function noSuchCommand(operands: readonly string[], known: readonly string[]): CommandLineError {
  if (operands.length === 0) return new CommandLineError('no command specified', { pointsAtHelp: true })
  const word = operands.join(' ')
  const meant = suggestion(word, known) ?? suggestion(operands[0]!, known)
  return new CommandLineError(`unknown command "${operands[0]}"`, {
    pointsAtHelp: true,
    hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
  })
}

export function unknownOption(word: string, options: readonly WalshipOption[]): CommandLineError {
  const name = word.replace(/^--?/, '').replace(/=.*$/s, '')
  const known = [...options.map((option) => option.name), 'help', 'version']
  const meant = word.startsWith('--') ? suggestion(name, known) : undefined
  return new CommandLineError(`unknown option ${word.startsWith('--') ? `--${name}` : word}`, {
    pointsAtHelp: true,
    hint: meant === undefined ? undefined : `did you mean --${meant}?`,
  })
}
