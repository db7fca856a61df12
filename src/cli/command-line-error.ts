import { WalshipError } from '../base/index.js'

/** The command line, or a variable that stands for a part of it, makes no sense. */
export class CommandLineError extends WalshipError {
  /** True where the original also points at --help. */
  readonly pointsAtHelp: boolean

  constructor(
    message: string,
    options: { readonly pointsAtHelp: boolean; readonly hint?: string; readonly cause?: unknown },
  ) {
    super(message, { code: 'CLI_USAGE', hint: options.hint, cause: options.cause })
    this.pointsAtHelp = options.pointsAtHelp
  }
}
