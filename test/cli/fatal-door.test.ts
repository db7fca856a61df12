import { describe, expect, it } from 'vitest'
import { runScript } from './run-script.js'

describe('the fatal door', () => {
  it.each(['exception', 'rejection'])('prints an uncaught %s and ends with 1', async (FATAL_KIND) => {
    const { status, err } = await runScript('programs/fatal.ts', '', { environment: { FATAL_KIND } })
    expect({ status, err }).toEqual({ status: 1, err: 'caught: nobody expected this' })
  })
})
