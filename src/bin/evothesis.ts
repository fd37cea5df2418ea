#!/usr/bin/env node
import { isAppError, messageOf } from '../errors.ts'
import { commands } from './commands.ts'

const help = (): string =>
  [
    'Usage: evothesis <command> [options]',
    '',
    ...Object.entries(commands).map(([name, { line }]) => `  ${name.padEnd(10)} ${line}`),
    '',
    'Settings come from the environment and .env; .env.example lists them. Each command has --help.',
    '',
  ].join('\n')

const main = async (argv: string[]): Promise<number> => {
  const [name, ...args] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help())
    return name === undefined ? 2 : 0
  }
  const command = commands[name]
  if (!command) {
    process.stderr.write(`There is no command ${name}.\n\n${help()}`)
    return 2
  }
  return command.run(args)
}

// `… | head` closes our output when it has seen enough: the work is finished, and what nobody reads is dropped.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${isAppError(error) ? `${error.code}: ` : ''}${messageOf(error)}\n`)
    if (!isAppError(error)) process.stderr.write(`${(error as Error)?.stack ?? ''}\n`)
    process.exit(isAppError(error) && error.code === 'usage_invalid' ? 2 : 1)
  },
)
