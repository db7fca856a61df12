import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../../scripts/wait-for.js'
import { ServiceNotice } from '../../src/cli/service-notice.js'

const HAVE =
  spawnSync('systemd-notify', ['--version']).status === 0 &&
  spawnSync('perl', ['-MSocket', '-e', '1']).status === 0
if (!HAVE) console.warn('!! NO SYSTEMD-NOTIFY or perl: what systemd hears is not tested')

/** Stands in for systemd: Node.js cannot listen on a Unix datagram socket. */
const LISTENER = `use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0) or die; bind(S, sockaddr_un($ARGV[0])) or die;
$| = 1; while (defined recv(S, my $word, 65536, 0)) { print "$word\\n" }`

describe.skipIf(!HAVE)('systemd', () => {
  it('hears that the service is up, that it lives, what it does, and that it stops', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-notify-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'socket')
    const listener: ChildProcess = spawn('perl', ['-e', LISTENER, path])
    onTestFinished(() => void listener.kill())
    let heard = ''
    listener.stdout!.on('data', (bytes) => {
      heard += bytes
    })
    await waitFor('the socket', async () => existsSync(path))
    const notice = new ServiceNotice({
      PATH: process.env.PATH,
      NOTIFY_SOCKET: path,
      WATCHDOG_USEC: '400000',
      WATCHDOG_PID: String(process.pid),
    })
    notice.ready(() => 'all\nis well')
    await waitFor('READY', async () => heard.includes('READY=1') && heard.includes('STATUS=all is well'))
    await waitFor('the watchdog', async () => heard.split('WATCHDOG=1').length > 2)
    notice.stopping()
    await waitFor('STOPPING', async () => heard.includes('STOPPING=1'))
  })

  it('is not bothered where there is none', () => {
    const notice = new ServiceNotice({ PATH: '' })
    expect(() => notice.ready(() => 'x')).not.toThrow()
    notice.stopping()
  })
})
