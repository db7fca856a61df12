/**
 * A connection of each kind.
 *
 * Run: PGHOST=... PGUSER=... PGDATABASE=... node --import tsx examples/connect.ts
 *
 * Against the Python original: nothing is connected to `localhost` by a literal in the code; what libpq
 * reads from the environment is read here because it is asked for (`environment`).
 */
import { connect, LogicalReplicationConnection, PhysicalReplicationConnection } from 'walship'

await using logical = await connect({
  environment: process.env,
  connectionFactory: LogicalReplicationConnection,
})
await using physical = await connect({
  environment: process.env,
  connectionFactory: PhysicalReplicationConnection,
})
await using plain = await connect({ environment: process.env })

console.log('logical:', await logical.identifySystem())
console.log('physical:', await physical.identifySystem())
const { rows } = await plain.query<{ now: string }>('SELECT now()::text AS now')
console.log('plain:', rows[0]?.now)
