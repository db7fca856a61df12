import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** The installed pg_receivewal, to compare with. Debian's /usr/bin has only a wrapper that changes argv[0]. */
export const originalProgram: string | undefined = [18, 17, 16, 15]
  .map((major) => `/usr/lib/postgresql/${major}/bin/pg_receivewal`)
  .find((path) => existsSync(path))

export function runOriginal(
  args: readonly string[],
  environment: Record<string, string> = {},
): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(originalProgram!, args, {
    encoding: 'utf8',
    env: { LC_ALL: 'C', ...environment },
  })
  return { status, out: stdout, err: stderr }
}
