import { describe, expect, it } from 'vitest'
import { ServerQuestions } from '../../src/receive/server-questions.js'

describe('ServerQuestions', () => {
  function make(options: { confirmedByFlush: boolean }) {
    const state = { now: 0, confirmed: false, flushes: 0 }
    const questions = new ServerQuestions({
      flush: async () => {
        state.flushes += 1
        state.now += 10_000
        state.confirmed = options.confirmedByFlush
      },
      isAllConfirmed: () => state.confirmed,
      now: () => state.now,
    })
    return { state, questions }
  }

  it('gives the archive time before the first answer, and leaves when it is asked again at once', async () => {
    const { state, questions } = make({ confirmedByFlush: false })
    await questions.answer()
    expect(state.flushes).toBe(1)
    state.now += 1000
    await expect(questions.answer()).rejects.toMatchObject({
      code: 'RECEIVE_SERVER_SHUTDOWN',
      retryable: true,
    })
    expect(state.flushes).toBe(1)
  })

  it('stays with a server that asks from time to time during an outage', async () => {
    const { state, questions } = make({ confirmedByFlush: false })
    for (let question = 0; question < 5; question++) {
      await questions.answer()
      state.now += 30_000
    }
    expect(state.flushes).toBe(5)
  })

  it('stays when the archive has it all, however often it is asked', async () => {
    const { state, questions } = make({ confirmedByFlush: true })
    for (let question = 0; question < 5; question++) await questions.answer()
    expect(state.flushes).toBe(5)
  })
})
