/**
 * Thrown by a consumer to leave `consumeStream`, which rejects with the very same object. Not a
 * PgError: nothing went wrong.
 */
export class StopReplication extends Error {
  constructor(message = 'stop of replication was asked for', options?: ErrorOptions) {
    super(message, options)
    this.name = 'StopReplication'
  }
}
