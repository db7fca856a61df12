/** SQL that makes a server send every kind of message of pgoutput that its version has. */
import type { PostgresServer } from '../../scripts/postgres-server.js'

/** Settings of a server on which it can run. */
export const EVERY_KIND_SETTINGS = { wal_level: 'logical', max_prepared_transactions: 10 }

const TABLES = `
CREATE TYPE mood AS ENUM ('calm', 'wild');
CREATE TABLE by_key (id int PRIMARY KEY, name text, mood mood, note text);
ALTER TABLE by_key ALTER COLUMN note SET STORAGE EXTERNAL;
CREATE TABLE by_index (id int NOT NULL, code varchar(20) NOT NULL, "__proto__" text);
CREATE UNIQUE INDEX by_code ON by_index (code);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_code;
CREATE TABLE whole_rows (id int, note text);
ALTER TABLE whole_rows ALTER COLUMN note SET STORAGE EXTERNAL;
ALTER TABLE whole_rows REPLICA IDENTITY FULL;
CREATE TABLE no_key (id int, name text);
ALTER TABLE no_key REPLICA IDENTITY NOTHING;
CREATE PUBLICATION everything FOR ALL TABLES;
`

export async function makeTables(server: PostgresServer): Promise<void> {
  await server.query(TABLES)
}

/** One transaction a statement, or a group of them. */
export function ordinaryTransactions(major: number): readonly string[] {
  return [
    `INSERT INTO by_key VALUES (1, 'Zoë', 'calm', repeat('n', 3000)), (2, NULL, NULL, '')`,
    `UPDATE by_key SET name = 'plain' WHERE id = 1`,
    `UPDATE by_key SET id = 3 WHERE id = 2`,
    `DELETE FROM by_key WHERE id = 3`,
    `INSERT INTO by_index VALUES (1, 'a', 'x')`,
    `UPDATE by_index SET id = 2`,
    `UPDATE by_index SET code = 'b'`,
    `DELETE FROM by_index`,
    `INSERT INTO whole_rows VALUES (1, repeat('w', 3000))`,
    `UPDATE whole_rows SET id = 2`,
    `DELETE FROM whole_rows`,
    `INSERT INTO no_key VALUES (1, 'x')`,
    ...(major >= 11 ? ['TRUNCATE by_key, no_key RESTART IDENTITY CASCADE'] : []),
    `SELECT pg_logical_emit_message(false, 'loose', 'outside')`,
    `BEGIN; INSERT INTO no_key VALUES (2, 'y'); SELECT pg_logical_emit_message(true, 'tied', 'inside'); COMMIT`,
    `SELECT pg_replication_origin_create('upstream')`,
    fromElsewhere('upstream', `INSERT INTO no_key VALUES (3, 'z');`),
    // The name is not known yet where the transaction begins. Servers before 14 then send an empty payload.
    `SELECT pg_replication_origin_create('unseen'); ${fromElsewhere('unseen', `INSERT INTO no_key VALUES (3, 'u');`)}`,
    `BEGIN; ALTER TABLE no_key ADD more int; INSERT INTO no_key VALUES (4, 'more', 5); COMMIT`,
  ]
}

function fromElsewhere(origin: string, sql: string): string {
  return `SELECT pg_replication_origin_session_setup('${origin}');
    BEGIN; SELECT pg_replication_origin_xact_setup('A/BCDEF012', '2026-01-02 03:04:05+00');
    ${sql} COMMIT; SELECT pg_replication_origin_session_reset()`
}

/** Large ones, with parts rolled back, rolled back as a whole, and prepared ones of both fates. */
export function streamedTransactions(rows: number, rowBytes: number): readonly string[] {
  const insert = (name: string) =>
    `INSERT INTO no_key (id, name) SELECT 5, '${name}' || repeat('.', ${rowBytes}) FROM generate_series(1, ${rows}) i;`
  return [
    `BEGIN; ${insert('kept')}
     SAVEPOINT a; ${insert('void')} SAVEPOINT b; ${insert('void')} RELEASE b; ROLLBACK TO a;
     SAVEPOINT c; ${insert('kept too')} RELEASE c; ${insert('last')}
     SELECT pg_logical_emit_message(true, 'tied', 'in a large one'); COMMIT`,
    `BEGIN; ${insert('void')} ROLLBACK`,
    `BEGIN; ALTER TABLE no_key ADD extra int DEFAULT 7; ${insert('wider')} COMMIT`,
    `INSERT INTO no_key (id, name) VALUES (99, 'after the wider ones')`,
    `SELECT pg_replication_origin_create('upstream')`,
    fromElsewhere('upstream', insert('from elsewhere')),
    `BEGIN; TRUNCATE no_key; ${insert('prepared')} PREPARE TRANSACTION 'to commit'`,
    `COMMIT PREPARED 'to commit'`,
    `BEGIN; ${insert('void')} PREPARE TRANSACTION 'to roll back'`,
    `ROLLBACK PREPARED 'to roll back'`,
    `BEGIN; INSERT INTO no_key (id, name) VALUES (100, 'small'); PREPARE TRANSACTION 'small'`,
    `COMMIT PREPARED 'small'`,
  ]
}

/** What a slot has, as the messages of a stream would bring it. Decoding it moves the slot. */
export async function slotChanges(
  server: PostgresServer,
  slotName: string,
  options: Readonly<Record<string, string>>,
): Promise<{ lsn: string; payload: Buffer }[]> {
  const words = Object.entries(options)
    .flat()
    .map((word) => `'${word.replaceAll("'", "''")}'`)
  const rows = await server.query<{ lsn: string; data: Buffer }>(
    `SELECT lsn::text, data FROM pg_logical_slot_get_binary_changes('${slotName}', NULL, NULL, ${words.join(', ')})`,
  )
  return rows.map(({ lsn, data }) => ({ lsn, payload: data }))
}
