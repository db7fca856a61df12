/** Makes a server write every kind of WAL that there is to test with, more of it with each round. */
import type pg from 'pg'
import type { PostgresServer, Settings } from './postgres-server.js'

/** What the load needs of a server. */
export function workloadSettings(major: number): Settings {
  const kept: Settings = major >= 13 ? { wal_keep_size: '8GB' } : { wal_keep_segments: 8000 }
  return {
    ...kept,
    max_wal_size: '8GB',
    checkpoint_timeout: '1h',
    wal_level: 'logical',
    max_prepared_transactions: 20,
    track_commit_timestamp: true,
    full_page_writes: true,
  }
}

/** Tables and indexes of every access method. */
export async function prepareWorkload(server: PostgresServer): Promise<void> {
  for (const sql of [
    'CREATE TABLE accounts (id int PRIMARY KEY, branch int, balance int, note text)',
    `INSERT INTO accounts SELECT i, i % 20, 0, md5(i::text) FROM generate_series(1, 20000) i`,
    'CREATE INDEX ON accounts USING hash (note)',
    'CREATE TABLE documents (id serial, words tsvector, at point, period int4range, day date)',
    'CREATE INDEX ON documents USING gin (words)',
    'CREATE INDEX ON documents USING gist (period)',
    'CREATE INDEX ON documents USING spgist (at)',
    'CREATE INDEX ON documents USING brin (day)',
    'CREATE SEQUENCE numbers CACHE 1',
    'CREATE TABLE large (id int, content text)',
    'ALTER TABLE large ALTER content SET STORAGE EXTERNAL',
  ])
    await server.query(sql)
}

/**
 * One round: small transactions, bulk loads, images, DDL, all index kinds, prepared and subtransactions,
 * logical messages over many pages, segment switches and checkpoints.
 *
 * @param scale 1 writes about 10 MB
 */
export async function runWorkload(server: PostgresServer, round: number, scale: number): Promise<void> {
  const client = await server.connect()
  try {
    await smallTransactions(client, round, 150 * scale)
    for (const sql of bulkStatements(round, scale)) await client.query(sql)
    await preparedTransaction(client, round)
    await client.query('SELECT pg_switch_wal()')
    await smallTransactions(client, round + 1, 50 * scale)
  } finally {
    await client.end()
  }
}

function bulkStatements(round: number, scale: number): string[] {
  const rows = 2000 * scale
  return [
    'CHECKPOINT',
    `UPDATE accounts SET balance = balance + 1 WHERE id % 7 = ${round % 7}`,
    `INSERT INTO documents (words, at, period, day) SELECT to_tsvector('simple', md5(i::text) || ' common'),
       point(i % 977, i % 353), int4range(i, i + 10), date '2026-01-01' + i % 300 FROM generate_series(1, ${rows}) i`,
    `SELECT pg_logical_emit_message(false, 'load', repeat('m', 100))`,
    `SELECT pg_logical_emit_message(true, 'load', repeat(md5(random()::text), ${20_000 * scale}))`,
    `INSERT INTO large SELECT i, repeat(md5(i::text), 3000) FROM generate_series(1, ${10 * scale}) i`,
    `CREATE TABLE made_${round} AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, ${rows}) i`,
    `CREATE INDEX ON made_${round} (text)`,
    `ALTER TABLE made_${round} ADD COLUMN more int`,
    `CREATE UNLOGGED TABLE loose_${round} (id int)`,
    `DELETE FROM documents WHERE id % 5 = ${round % 5}`,
    'VACUUM documents',
    'VACUUM FULL accounts',
    `TRUNCATE large`,
    `DROP TABLE made_${round}`,
    `SELECT pg_create_restore_point('round ${round}')`,
    `SELECT count(nextval('numbers')) FROM generate_series(1, 200)`,
    `DO $$ BEGIN FOR i IN 1..30 LOOP BEGIN INSERT INTO accounts VALUES (i, 0, 0, ''); EXCEPTION
       WHEN unique_violation THEN NULL; END; END LOOP; END $$`,
    'SELECT 1 FROM accounts WHERE id < 300 FOR SHARE',
  ]
}

async function smallTransactions(client: pg.Client, seed: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const id = ((seed * 7919 + i * 104_729) % 20_000) + 1
    await client.query('UPDATE accounts SET balance = balance + $1 WHERE id = $2', [i, id])
  }
}

async function preparedTransaction(client: pg.Client, round: number): Promise<void> {
  for (const end of ['COMMIT', 'ROLLBACK']) {
    await client.query('BEGIN')
    await client.query('UPDATE accounts SET branch = branch + 1 WHERE id < 50')
    await client.query(`PREPARE TRANSACTION 'load ${round} ${end}'`)
    await client.query(`${end} PREPARED 'load ${round} ${end}'`)
  }
}

/** Kills the server in the middle of writing a record of many pages, and starts it again. */
export async function crashInRecord(server: PostgresServer, delayMs: number): Promise<void> {
  const client = await server.connect()
  const cut = client
    .query(`SELECT pg_logical_emit_message(true, 'crash', repeat('c', 60000000)) FROM generate_series(1, 20)`)
    .catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  await server.stop('immediate')
  await cut
  await client.end().catch(() => undefined)
  await server.start()
}
