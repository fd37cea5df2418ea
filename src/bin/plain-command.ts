import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../errors.ts'

/**
 * Reads the arguments of a command that has no options of its own: true when its help was asked for. A command that
 * ignored an argument would do something else than was meant. Throws `usage_invalid`.
 */
export const asksForHelp = (args: string[], help: string): boolean => {
  try {
    return parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } }).values.help === true
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}
