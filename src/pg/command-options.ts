export interface CommandOptions {
  /** Aborting cancels the command on the server and destroys the connection. */
  readonly signal?: AbortSignal
  /** Rows that take more memory than this end the connection, in bytes. Default 256 MiB. */
  readonly maxResultBytes?: number
}
