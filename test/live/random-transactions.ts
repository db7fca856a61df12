/** Random transactions on a few tables, each client on rows of its own, so that none waits for another. */
import type pg from 'pg'

export const RANDOM_TABLES = `
CREATE TABLE keyed (id int PRIMARY KEY, client int, note text, amount numeric);
ALTER TABLE keyed ALTER COLUMN note SET STORAGE EXTERNAL;
CREATE TABLE indexed (id int, client int, code text NOT NULL, note text);
CREATE UNIQUE INDEX indexed_code ON indexed (code);
ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code;
CREATE TABLE whole (id int, client int, note text);
ALTER TABLE whole ALTER COLUMN note SET STORAGE EXTERNAL;
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE PUBLICATION everything FOR ALL TABLES;
`
export const RANDOM_TABLE_NAMES = ['keyed', 'indexed', 'whole'] as const

/** A sequence of numbers that a seed decides. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/**
 * Runs `count` transactions; some are large, some are rolled back as a whole, in part, or prepared first.
 *
 * @param number of the client: 1, 2, ...
 */
export async function runRandomTransactions(
  client: pg.Client,
  number: number,
  count: number,
  random: (below: number) => number,
): Promise<void> {
  let nextId = number * 1_000_000
  const note = () =>
    random(4) === 0 ? `repeat('${'äbc'[random(3)]}', ${2000 + random(3000)})` : `'note ${random(1000)} ''é'''`
  const statement = (): string => {
    const rows = random(12) === 0 ? 120 : 1 + random(4)
    const from = nextId
    const mine = `client = ${number} AND id % ${3 + random(5)} = ${random(3)}`
    switch (random(10)) {
      case 0:
        return `UPDATE keyed SET amount = amount + 1.5 WHERE ${mine}`
      case 1:
        return `UPDATE keyed SET note = ${note()} WHERE ${mine}`
      case 2:
        nextId += 100_000
        return `UPDATE keyed SET id = id + 100000 WHERE id = (SELECT max(id) FROM keyed WHERE client = ${number})`
      case 3:
        return `UPDATE indexed SET note = ${note()} WHERE ${mine}`
      case 4:
        return `UPDATE whole SET id = -id WHERE ${mine}`
      case 5:
        return `DELETE FROM ${RANDOM_TABLE_NAMES[random(3)]} WHERE ${mine}`
      case 6:
        nextId += rows
        return `INSERT INTO indexed SELECT i, ${number}, 'code ' || i, NULL FROM generate_series(${from}, ${from + rows - 1}) i`
      case 7:
        nextId += rows
        return `INSERT INTO whole SELECT i, ${number}, ${note()} FROM generate_series(${from}, ${from + rows - 1}) i`
      default:
        nextId += rows
        return `INSERT INTO keyed SELECT i, ${number}, ${note()}, i / 7.0 FROM generate_series(${from}, ${from + rows - 1}) i`
    }
  }
  for (let turn = 0; turn < count; turn++) {
    await client.query('BEGIN')
    for (let part = random(4); part >= 0; part--) {
      const undone = random(3) === 0
      await client.query('SAVEPOINT part')
      await client.query(statement())
      if (undone) await client.query(`SAVEPOINT inner_part`)
      await client.query(statement())
      await client.query(undone ? 'ROLLBACK TO part' : 'RELEASE part')
    }
    const end = random(8)
    if (end === 0) await client.query('ROLLBACK')
    else if (end <= 2) {
      const gid = `${number}-${turn}`
      await client.query(`PREPARE TRANSACTION '${gid}'`)
      await client.query(`${random(3) === 0 ? 'ROLLBACK' : 'COMMIT'} PREPARED '${gid}'`)
    } else await client.query('COMMIT')
  }
}
