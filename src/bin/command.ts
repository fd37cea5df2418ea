/** A command: its line in the help, and the module that runs it. Resolves to the exit code. */
export type Command = { line: string; run: (args: string[]) => Promise<number> }
