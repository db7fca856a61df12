/** Disasters of processes, servers and lines, and those of the disk beside them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { below, pick } from '../support/random.js'
import type { Disaster } from './disaster.js'
import { DISK_DISASTERS } from './disk-disasters.js'

const KILL_AFTER_START_MS = 500
const KILL_AFTER_STOP_MS = 60

function stopping(mode: 'immediate' | 'fast'): Disaster {
  return {
    what: `${mode} stop of the server`,
    async strike(lab) {
      await lab.server.stop(mode)
      await lab.checkAcknowledged()
      await lab.server.start()
    },
  }
}

export const DISASTERS: Readonly<Record<string, Disaster>> = {
  kill: {
    what: 'SIGKILL of the receiver',
    async strike(lab) {
      await lab.pause(400)
      await lab.stopReceiver('SIGKILL')
    },
  },
  'kill-start': {
    what: 'SIGKILL while it starts up',
    async strike(lab) {
      await lab.stopReceiver(pick(lab.random, ['SIGKILL', 'SIGINT'] as const))
      for (let again = 0; again < 4; again++) {
        lab.startReceiver()
        await lab.pause(KILL_AFTER_START_MS)
        await lab.stopReceiver('SIGKILL')
        await lab.checkAcknowledged()
      }
    },
  },
  'kill-stop': {
    what: 'SIGKILL while it shuts down',
    async strike(lab) {
      lab.receiver!.signal('SIGINT')
      await lab.pause(KILL_AFTER_STOP_MS)
      await lab.stopReceiver('SIGKILL')
    },
  },
  freeze: {
    what: 'SIGSTOP for longer than the server waits',
    async strike(lab) {
      lab.receiver!.signal('SIGSTOP')
      await sleep(6000 + lab.random() * 3000)
      lab.receiver!.signal('SIGCONT')
    },
  },
  'server-kill': {
    what: 'SIGKILL of the server',
    async strike(lab) {
      await lab.server.kill()
      await lab.pause(300)
      await lab.checkAcknowledged()
      await lab.server.start()
    },
  },
  'server-immediate': stopping('immediate'),
  'server-fast': stopping('fast'),
  'server-smart': {
    what: 'smart stop of the server',
    async strike(lab) {
      // It waits for its clients.
      await lab.stopLoad()
      await lab.server.stop('smart')
      await lab.checkAcknowledged()
      await lab.server.start()
      lab.startLoad()
    },
  },
  cut: {
    what: 'network: connections reset',
    async strike(lab) {
      for (let again = 0; again < 3; again++) {
        lab.recorder.cut()
        lab.recorder.refuses = lab.random() < 0.5
        await lab.pause(400)
        lab.recorder.refuses = false
      }
    },
  },
  stall: {
    what: 'network: nothing goes through, then all',
    async strike(lab) {
      lab.recorder.stall()
      await sleep(1000 + lab.random() * 6000)
      lab.recorder.resume()
    },
  },
  pieces: {
    what: 'network: tiny pieces',
    async strike(lab) {
      for (let again = 0; again < 4; again++) {
        lab.recorder.trickle(1 + below(lab.random, 60))
        await sleep(50)
        lab.recorder.trickle(0)
        await sleep(100)
      }
    },
  },
  'half-closed': {
    what: 'network: half closed',
    async strike(lab) {
      lab.recorder.halfClose(pick(lab.random, ['receiver', 'server'] as const))
      await lab.pause(500)
    },
  },
  ...DISK_DISASTERS,
}
