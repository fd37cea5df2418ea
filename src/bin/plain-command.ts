import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../errors.ts'

/**
 * Reads the arguments of a command that has no options of its own: prints its help and is true when that was asked for.
 * A command that ignored an argument would do something else than was meant. Throws `usage_invalid`.
 */
export const printsHelp = (args: string[], help: string): boolean => {
  try {
    const { values } = parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } })
    if (values.help) process.stdout.write(help)
    return values.help === true
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}
