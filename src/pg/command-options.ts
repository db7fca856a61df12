export interface CommandOptions {
  /** Aborting cancels the command on the server and destroys the connection. */
  readonly signal?: AbortSignal
}
