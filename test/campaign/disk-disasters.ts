/** Disasters of the disk, the directory and the calls that go to them. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { unprivilegedUser } from '../../scripts/postgres-binaries.js'
import { waitFor } from '../../scripts/wait-for.js'
import { below, pick } from '../support/random.js'
import type { Disaster } from './disaster.js'
import type { Lab } from './lab.js'
import { PEER, SEGMENT_SIZE } from './lab.js'
import { type FailingCall, type FailureCode, Shim } from './shim.js'

const shims = new WeakMap<Lab, Shim>()

function shimOf(lab: Lab): Shim {
  return shims.get(lab)!
}

function withShim(lab: Lab): void {
  const shim = new Shim(lab.directory)
  shims.set(lab, shim)
  lab.surroundings = { env: shim.environment() }
}

function failing(what: string, call: FailingCall, codes: readonly FailureCode[]): Disaster {
  return {
    what,
    needsShim: true,
    prepare: withShim,
    async strike(lab) {
      const shim = shimOf(lab)
      const times = 1 + below(lab.random, 3)
      const before = shim.hits
      shim.fail(call, pick(lab.random, codes), { skip: below(lab.random, call === 'write' ? 40 : 4), times })
      await waitFor(
        `${call} to fail`,
        async () => {
          await lab.ensureReceiver()
          return shim.hits > before
        },
        60_000,
      )
      await lab.pause(300)
      shim.heal()
      await lab.checkAcknowledged()
    },
    clear: (lab) => shimOf(lab).close(),
  }
}

export const DISK_DISASTERS: Readonly<Record<string, Disaster>> = {
  quota: {
    what: 'file size limit (RLIMIT_FSIZE)',
    async strike(lab) {
      const limit = below(lab.random, SEGMENT_SIZE)
      limitFileSize(lab, limit)
      await sleep(1000 + lab.random() * 2000)
      if (lab.receiver !== null && !lab.receiver.hasEnded) limitFileSize(lab, 'unlimited')
    },
  },
  'full-disk': {
    what: 'full disk (small tmpfs)',
    prepare: (lab) => {
      execFileSync('mount', [
        '-t',
        'tmpfs',
        '-o',
        `size=${12 * SEGMENT_SIZE},mode=700`,
        'tmpfs',
        lab.directory,
      ])
    },
    async strike(lab) {
      const { receiver } = lab
      await waitFor(
        'the disk to be full',
        () => /No space left on device/.test(receiver!.stderr) || receiver!.hasEnded,
        60_000,
      )
      await lab.pause(1000)
      await lab.checkAcknowledged()
      // With what it says in the list of mounts, so that no file is touched.
      execFileSync('mount', ['-o', `remount,size=${400 * SEGMENT_SIZE}`, lab.directory])
    },
    clear: (lab) => void execFileSync('umount', ['-l', lab.directory]),
  },
  'fail-write': failing('write fails (EIO, ENOSPC, EDQUOT)', 'write', ['EIO', 'ENOSPC', 'EDQUOT']),
  'fail-sync': failing('fsync fails (EIO)', 'sync', ['EIO', 'ENOSPC']),
  'fail-directory-sync': failing('fsync of the directory fails (EIO)', 'directory-sync', ['EIO']),
  'fail-rename': failing('rename fails (EIO)', 'rename', ['EIO', 'ENOSPC']),
  'fail-open': failing('open fails (EMFILE)', 'open', ['EMFILE', 'ENOSPC']),
  clock: {
    what: 'clock jumps, back and forth',
    needsShim: true,
    prepare: withShim,
    async strike(lab) {
      const shim = shimOf(lab)
      for (const seconds of [3600, -86_400 * 365, 86_400 * 3650, 1, 0]) {
        shim.moveClock(seconds * (0.5 + lab.random()))
        await lab.progress(SEGMENT_SIZE / 4)
      }
    },
    clear: (lab) => shimOf(lab).close(),
  },
  removed: {
    what: 'the open file is removed under it',
    async strike(lab) {
      // What was acknowledged of it is gone by this hand, until it comes again.
      await spoilOpenFile(lab, unlinkSync)
    },
  },
  truncated: {
    what: 'the open file is truncated under it',
    async strike(lab) {
      await spoilOpenFile(lab, (path) => truncateSync(path, below(lab.random, statSync(path).size)))
    },
  },
  emptied: {
    what: 'the directory is emptied while it is down',
    async strike(lab) {
      await lab.stopReceiver('SIGKILL')
      await lab.checkAcknowledged()
      for (const name of readdirSync(lab.directory)) rmSync(join(lab.directory, name))
      lab.startOver()
    },
  },
  takeover: {
    what: 'pg_receivewal is killed, walship goes on in its directory',
    prepare(lab) {
      lab.programPath = PEER
    },
    async strike(lab) {
      await lab.stopReceiver('SIGKILL')
      lab.programPath = null
    },
  },
  upgrade: {
    what: 'an older version is killed, this one goes on in its directory, and back',
    prepare(lab) {
      lab.programPath = olderVersion()
    },
    async strike(lab) {
      await lab.stopReceiver(pick(lab.random, ['SIGKILL', 'SIGINT'] as const))
      lab.programPath = lab.programPath === null ? olderVersion() : null
    },
  },
  'read-only': {
    what: 'the directory is made read-only under it',
    prepare(lab) {
      const user = unprivilegedUser()
      if (user === null) return
      chownSync(lab.directory, user.uid, user.gid)
      lab.surroundings = { uid: user.uid, gid: user.gid }
    },
    async strike(lab) {
      chmodSync(lab.directory, 0o500)
      await sleep(500 + lab.random() * 2000)
      await lab.checkAcknowledged()
      chmodSync(lab.directory, 0o700)
    },
    clear: (lab) => chmodSync(lab.directory, 0o700),
  },
}

/** Path of an older version's drop-in, which has to be built; null when none is named. */
export function olderVersion(): string | null {
  return process.env.WALSHIP_CAMPAIGN_OLDER ?? null
}

/** The file may get its final name at any moment, so it is tried until there was one. */
async function spoilOpenFile(lab: Lab, spoil: (path: string) => void): Promise<void> {
  await waitFor('an open file', () => {
    const partial = readdirSync(lab.directory).find((name) => name.endsWith('.partial'))
    if (partial === undefined) return false
    lab.excuse(partial.slice(0, 24))
    try {
      spoil(join(lab.directory, partial))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  })
}

function limitFileSize(lab: Lab, limit: number | 'unlimited'): void {
  execFileSync('prlimit', [`--pid=${lab.receiver!.pid}`, `--fsize=${limit}:unlimited`])
}
