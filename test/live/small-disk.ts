/** A file system of its own with little room, for tests that fill a disk. */
import { execFileSync, spawnSync } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { testDirectory } from './test-directory.js'

/** True where a file system may be mounted: root, outside of an unprivileged container. */
export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const attempt = 'mount -t tmpfs -o size=64k tmpfs "$0" && umount "$0"'
  // In a mount namespace of its own the attempt leaves nothing behind.
  return spawnSync('unshare', ['-m', 'sh', '-c', attempt, '/mnt'], { stdio: 'ignore' }).status === 0
}

/** A new empty folder on a file system with this many bytes, unmounted when the test is over. */
export async function smallDisk(byteCount: number): Promise<string> {
  const directory = await testDirectory()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${byteCount},mode=700`, 'tmpfs', directory])
  // Runs before the folder is removed: what was asked for last is undone first.
  onTestFinished(() => void execFileSync('umount', ['-l', directory]))
  return directory
}
