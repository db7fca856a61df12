/** The types at the library's door. `npm run check` is what fails here: the expectations are types. */
import { describe, expectTypeOf, it } from 'vitest'
import {
  type Connection,
  type ConnectOptions,
  type CreatedSlot,
  connect,
  type EndOfStream,
  LogicalReplicationConnection as Logical,
  type LogicalReplicationConnection,
  type Lsn,
  PhysicalReplicationConnection as Physical,
  type PhysicalReplicationConnection,
  type REPLICATION_LOGICAL,
  type REPLICATION_PHYSICAL,
  type ReplicationCursor,
  type ReplicationMessage,
  type SqlTuple,
  type SqlValue,
} from '../../src/index.js'

/** Never called: only its types matter. */
async function use(
  options: ConnectOptions,
  cursor: ReplicationCursor,
  logical: LogicalReplicationConnection,
) {
  return {
    plain: await connect(options),
    logical: await connect({ ...options, connectionFactory: Logical }),
    physical: await connect({ ...options, connectionFactory: Physical }),
    own: await connect({ connectionFactory: { connect: async () => logical } }),
    untyped: await logical.query('SELECT 1'),
    typed: await logical.query<{ slot_name: string }>('SELECT slot_name FROM pg_replication_slots'),
    slot: await cursor.createReplicationSlot('s'),
    read: await cursor.readReplicationMessage(),
    end: await cursor.consumeStream(() => {}),
    row: cursor.fetchOne(),
    iterated: cursor[Symbol.asyncIterator](),
  }
}
type Used = Awaited<ReturnType<typeof use>>

describe('the types of', () => {
  it('connect follow its factory', () => {
    expectTypeOf<Used['plain']>().toEqualTypeOf<Connection>()
    expectTypeOf<Used['logical']>().toEqualTypeOf<LogicalReplicationConnection>()
    expectTypeOf<Used['physical']>().toEqualTypeOf<PhysicalReplicationConnection>()
    expectTypeOf<Used['own']>().toEqualTypeOf<LogicalReplicationConnection>()
    expectTypeOf<Used['logical']['replicationType']>().toEqualTypeOf<typeof REPLICATION_LOGICAL>()
    expectTypeOf<Used['physical']['replicationType']>().toEqualTypeOf<typeof REPLICATION_PHYSICAL>()
  })

  it('rows are values, or what the caller says', () => {
    expectTypeOf<Used['untyped']['rows'][number]>().toEqualTypeOf<Record<string, SqlValue>>()
    expectTypeOf<Used['typed']['rows'][number]>().toEqualTypeOf<{ slot_name: string }>()
    expectTypeOf<Used['row']>().toEqualTypeOf<SqlTuple | null>()
  })

  it('messages: bytes and text always, payload by the kind of stream', () => {
    expectTypeOf<Used['read']>().toEqualTypeOf<ReplicationMessage | null>()
    expectTypeOf<ReplicationMessage['payload']>().toEqualTypeOf<Buffer | string>()
    expectTypeOf<ReplicationMessage['bytes']>().toEqualTypeOf<Buffer>()
    expectTypeOf<ReplicationMessage['text']>().toEqualTypeOf<string>()
    expectTypeOf<ReplicationMessage['dataStart']>().toEqualTypeOf<Lsn>()
    expectTypeOf<ReplicationMessage['sendTime']>().toEqualTypeOf<Date>()
    type Physically = Awaited<ReturnType<PhysicalReplicationConnection['readReplicationMessage']>>
    expectTypeOf<NonNullable<Physically>['payload']>().toEqualTypeOf<Buffer>()
  })

  it('slots and ends are values', () => {
    expectTypeOf<Used['slot']>().toEqualTypeOf<CreatedSlot>()
    expectTypeOf<Used['end']>().toEqualTypeOf<EndOfStream>()
    expectTypeOf<Used['iterated']>().toEqualTypeOf<AsyncGenerator<ReplicationMessage, EndOfStream>>()
  })

  it('options refuse what makes no sense', () => {
    const refused = (logical: LogicalReplicationConnection, cursor: ReplicationCursor) => [
      // @ts-expect-error a slot is what a logical stream comes from
      logical.startReplication({}),
      // @ts-expect-error no such option
      logical.startReplication({ slotName: 's', slotname: 's' }),
      // @ts-expect-error a type is one of two
      cursor.createReplicationSlot('s', { slotType: 3 }),
      // @ts-expect-error psycopg2's second argument was a trap
      cursor.createReplicationSlot('s', 'test_decoding'),
      // @ts-expect-error positions are numbers, bigints or text
      cursor.sendFeedback({ flushLsn: true }),
    ]
    expectTypeOf(refused).toBeFunction()
  })
})
