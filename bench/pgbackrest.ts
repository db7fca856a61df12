/** pgBackRest with a repository in a directory, for a comparison: files go in by archive-push, out by archive-get. */
import { execFile } from 'node:child_process'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { unprivilegedUser } from '../scripts/postgres-binaries.js'
import { giveTo } from '../scripts/postgres-copies.js'
import type { PostgresServer } from '../scripts/postgres-server.js'

const STANZA = 'bench'
/** As many at once as walship's prefetcher. */
const PROCESSES = 4

export class PgBackRest {
  readonly #program: string
  readonly #config: string

  private constructor(program: string, config: string) {
    this.#program = program
    this.#config = config
  }

  /**
   * @param folder where all it needs is made
   * @param restored data directory of the server that will recover
   * @returns null when it is not installed
   */
  static async find(folder: string, restored: string): Promise<PgBackRest | null> {
    const program = await findProgram('pgbackrest')
    if (program === null) return null
    for (const name of ['', 'repo', 'spool', 'lock', 'log']) await mkdir(join(folder, name))
    const config = join(folder, 'pgbackrest.conf')
    const lines = [
      '[global]',
      ...['repo', 'spool', 'lock', 'log'].map(
        (name) => `${name === 'repo' ? 'repo1' : name}-path=${folder}/${name}`,
      ),
      'compress-type=lz4',
      `process-max=${PROCESSES}`,
      'log-level-console=warn',
      'log-level-file=off',
      '[global:archive-get]',
      'archive-async=y',
      `[${STANZA}]`,
      `pg1-path=${restored}`,
    ]
    await writeFile(config, `${lines.join('\n')}\n`)
    await giveTo(unprivilegedUser(), folder)
    return new PgBackRest(program, config)
  }

  get restoreCommand(): string {
    return `"${this.#program}" --config="${this.#config}" --stanza=${STANZA} archive-get %f "%p"`
  }

  /** @param server must run */
  async createStanza(server: PostgresServer): Promise<void> {
    await this.#run([
      `--pg1-path=${server.dataDirectory}`,
      `--pg1-port=${server.port}`,
      `--pg1-socket-path=${server.socketDirectory}`,
      `--pg1-user=${server.user}`,
      'stanza-create',
    ])
  }

  async push(server: PostgresServer, file: string): Promise<void> {
    await this.#run([`--pg1-path=${server.dataDirectory}`, 'archive-push', file])
  }

  async #run(args: readonly string[]): Promise<void> {
    const user = unprivilegedUser()
    const owner = user === null ? {} : { uid: user.uid, gid: user.gid }
    const words = [`--config=${this.#config}`, `--stanza=${STANZA}`, ...args]
    await promisify(execFile)(this.#program, words, { ...owner, cwd: '/' })
  }
}

async function findProgram(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return null
}
