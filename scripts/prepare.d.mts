export const PROJECT: string
export function prepare(): Promise<void>
export function run(command: string, args: readonly string[]): Promise<number>
