/** Copies of a data directory: cold ones of a stopped server, and base backups of a running one. */
import { chown, copyFile, lchown, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import type { SystemUser } from './postgres-binaries.js'

/** What a base backup leaves out: it belongs to the running server, or streaming brings it anew. */
const NOT_IN_A_BACKUP =
  /^(postmaster\.(pid|opts)|(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_stat_tmp)\/.+)$/

/** Copies the data directory of a stopped server; the copy's folders have the mode postgres insists on. */
export async function copyDataDirectory(from: string, to: string): Promise<void> {
  await copyTree(from, to, '', () => true)
}

/** A base backup of a running server by way of pg_backup_start, for a streaming standby. */
export async function copyRunningServer(
  server: { dataDirectory: string; major: number; connect(): Promise<pg.Client> },
  to: string,
): Promise<void> {
  const client = await server.connect()
  try {
    const modern = server.major >= 15
    await client.query(
      modern ? `SELECT pg_backup_start('copy', true)` : `SELECT pg_start_backup('copy', true, false)`,
    )
    await copyTree(server.dataDirectory, to, '', (path) => !NOT_IN_A_BACKUP.test(path))
    const stop = modern ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)'
    const { rows } = await client.query(`SELECT labelfile FROM ${stop}`)
    await writeFile(join(to, 'backup_label'), rows[0].labelfile)
  } finally {
    await client.end()
  }
}

/** Gives a folder and all in it to a user; nothing to do when there is none to give it to. */
export async function giveTo(user: SystemUser | null, path: string): Promise<void> {
  if (user === null) return
  await chown(path, user.uid, user.gid)
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) await giveTo(user, child)
    else await lchown(child, user.uid, user.gid)
  }
}

async function copyTree(
  from: string,
  to: string,
  below: string,
  wanted: (path: string) => boolean,
): Promise<void> {
  await mkdir(join(to, below), { mode: 0o700 })
  for (const entry of await readdir(join(from, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (!wanted(path)) continue
    if (entry.isDirectory()) await copyTree(from, to, path, wanted)
    else if (entry.isSymbolicLink()) await symlink(await readlink(join(from, path)), join(to, path))
    else if (entry.isFile()) await copyUnlessGone(join(from, path), join(to, path))
  }
}

/** A running server removes files while it is copied (dropped tables, recycled WAL). */
async function copyUnlessGone(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
