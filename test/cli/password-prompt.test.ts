import { describe, expect, it } from 'vitest'
import { runScript } from './run-script.js'

describe('promptPassword without a terminal', () => {
  it.each([
    ['a line', 'hunter2\nmore\n', 'hunter2'],
    ['a line of Windows', 'hunter2\r\n', 'hunter2'],
    ['an empty line', '\n', ''],
    ['a last line without its end', 'hünter 2', 'hünter 2'],
  ])('reads %s from stdin, asking on stderr', async (_case, input, password) => {
    const { status, out, err } = await runScript('programs/prompt.ts', input)
    expect({ status, out, err }).toEqual({ status: 0, out: JSON.stringify(password), err: 'Password: ' })
  })

  it('fails at the end of input, and does not ask for ever', async () => {
    const { status, out, err } = await runScript('programs/prompt.ts', '')
    expect(out).toBe('CLI_PASSWORD_PROMPT: could not read a password: end of input')
    expect({ status, err }).toEqual({ status: 1, err: 'Password: ' })
  })

  it('can be ended by a signal', async () => {
    const { status, signal } = await runScript('programs/prompt.ts', null, {
      onErr: (err, kill) => {
        if (err.endsWith('Password: ')) kill('SIGTERM')
      },
    })
    expect({ status, signal }).toEqual({ status: null, signal: 'SIGTERM' })
  })
})
