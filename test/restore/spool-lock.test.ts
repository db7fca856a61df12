import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { SpoolLock } from '../../src/restore/index.js'
import { testFolder } from './test-folder.js'

let folder: string
const running = new Set<number>()

beforeEach(() => {
  folder = testFolder()
  running.clear()
})

function lock(): SpoolLock {
  return new SpoolLock(folder, (pid) => running.has(pid))
}

describe('the lock of a spool', () => {
  it('belongs to one process until that releases it', () => {
    running.add(11).add(12)
    expect(lock().isHeld()).toBe(false)
    expect(lock().acquire(11)).toBe(true)
    expect(lock().isHeld()).toBe(true)
    expect(lock().acquire(12)).toBe(false)
    lock().release(12)
    expect(lock().acquire(12)).toBe(false)
    lock().release(11)
    expect(lock().acquire(12)).toBe(true)
  })

  it('may be taken on behalf of a process, which then finds it to be its own', () => {
    running.add(11)
    lock().acquire(11)
    expect(lock().acquire(11)).toBe(true)
  })

  it('is free at once when its owner was killed', () => {
    running.add(11)
    lock().acquire(11)
    running.delete(11)
    expect(lock().isHeld()).toBe(false)
    expect(lock().acquire(12)).toBe(true)
  })

  it('is free when its owner has shown no sign of life, even if some process has its number', () => {
    running.add(11)
    lock().acquire(11)
    const longAgo = Date.now() / 1000 - 60
    utimesSync(join(folder, 'prefetch.lock'), longAgo, longAgo)
    expect(lock().isHeld()).toBe(false)
    expect(lock().acquire(12)).toBe(true)
  })

  it('is free when it holds nothing that makes sense', () => {
    writeFileSync(join(folder, 'prefetch.lock'), '')
    expect(lock().isHeld()).toBe(false)
    expect(lock().acquire(12)).toBe(true)
  })

  it('cannot be had in a folder that is not there', () => {
    expect(new SpoolLock('/nowhere/at/all', () => true).acquire(11)).toBe(false)
  })
})
