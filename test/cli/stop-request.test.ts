import { describe, expect, it } from 'vitest'
import { endOnDebuggerSignal, StopRequest } from '../../src/cli/stop-request.js'
import { FakeHost } from './fake-host.js'

describe('StopRequest', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('aborts on the first %s and reports the second', (signal) => {
    const host = new FakeHost([])
    const again: string[] = []
    const stop = new StopRequest(host.signals, (name) => again.push(name))
    host.send(signal)
    expect(stop.signal.aborted).toBe(false)
    stop.listen()
    stop.listen()
    host.send(signal)
    expect(stop.signal.aborted).toBe(true)
    expect(again).toEqual([])
    host.send('SIGINT')
    expect(again).toEqual(['SIGINT'])
    stop.close()
    host.send(signal)
    expect(again).toHaveLength(1)
    expect(stop.listening).toBe(false)
  })
})

describe('endOnDebuggerSignal', () => {
  it('gives SIGUSR1 its default effect back', () => {
    const host = new FakeHost([])
    endOnDebuggerSignal(host.signals)
    host.send('SIGUSR1')
    expect(host.raised).toEqual(['SIGUSR1'])
    host.send('SIGUSR1')
    expect(host.raised).toHaveLength(1)
  })
})
