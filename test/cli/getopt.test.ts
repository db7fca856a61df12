import { describe, expect, it } from 'vitest'
import { type GetoptOption, getopt } from '../../src/cli/getopt.js'

const OPTIONS: readonly GetoptOption[] = [
  { name: 'directory', short: 'D', hasArgument: true },
  { name: 'no-loop', short: 'n', hasArgument: false },
  { name: 'no-sync', hasArgument: false },
  { name: 'verbose', short: 'v', hasArgument: false },
  { name: 'sync', hasArgument: false },
  { name: 'synchronous', hasArgument: false },
]

/** Compact form: `name`, `name=argument`, `! complaint`, `-- operands`. */
function parse(...args: string[]): string[] {
  return [...getopt(args, OPTIONS)].map((item) => {
    if (item.kind === 'complaint') return `! ${item.text}`
    if (item.kind === 'operands') return ['--', ...item.operands].join(' ')
    return item.argument === undefined ? item.name : `${item.name}=${item.argument}`
  })
}

describe('getopt', () => {
  it.each<[string, string[], string[]]>([
    ['nothing', [], ['--']],
    ['a value in the next word', ['-D', 'x', '--directory', 'y'], ['directory=x', 'directory=y', '--']],
    ['attached values', ['-Dx', '--directory=y'], ['directory=x', 'directory=y', '--']],
    ['an empty value', ['--directory=', '-D', ''], ['directory=', 'directory=', '--']],
    ['a value that looks like an option', ['-D', '-v', '-D', '--'], ['directory=-v', 'directory=--', '--']],
    ['a bundle', ['-vnDx'], ['verbose', 'no-loop', 'directory=x', '--']],
    ['a bundle whose last option takes the next word', ['-vD', 'x'], ['verbose', 'directory=x', '--']],
    ['an equals sign is part of a short value', ['-D=x'], ['directory==x', '--']],
    ['unique prefixes', ['--dir', 'x', '--no-l', '--v'], ['directory=x', 'no-loop', 'verbose', '--']],
    ['an exact name that is a prefix of another', ['--sync'], ['sync', '--']],
    ['operands between options', ['a', '-v', 'b', '-', '-n'], ['verbose', 'no-loop', '-- a b -']],
    ['all after -- is operands', ['-v', '--', '-n', '--x'], ['verbose', '-- -n --x']],
  ])('reads %s', (_case, args, expected) => {
    expect(parse(...args)).toEqual(expected)
  })

  it.each<[string, string[], string]>([
    ['an unknown long option', ['--foo=1'], "unrecognized option '--foo=1'"],
    ['an unknown letter', ['-vqn'], "invalid option -- 'q'"],
    ['a letter outside ASCII', ['-é'], "invalid option -- 'é'"],
    ['a missing short value', ['-vD'], "option requires an argument -- 'D'"],
    ['a missing long value', ['--dir'], "option '--directory' requires an argument"],
    ['a value for a switch', ['--verb=1'], "option '--verbose' doesn't allow an argument"],
    [
      'an ambiguous prefix',
      ['--no=1'],
      "option '--no=1' is ambiguous; possibilities: '--no-loop' '--no-sync'",
    ],
  ])('complains about %s, and nothing follows', (_case, args, text) => {
    expect(parse(...args).at(-1)).toBe(`! ${text}`)
  })

  it('gives what stands before a mistake first', () => {
    expect(parse('-v', '--foo', '-n')).toEqual(['verbose', "! unrecognized option '--foo'"])
  })
})
