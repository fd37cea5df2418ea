import { type ParseArgsConfig, parseArgs } from 'node:util'
import { AppError, messageOf } from '../errors.ts'

export type Io = { stdout: NodeJS.WritableStream }

/** Reads the arguments of a command without positional ones. Answers `help` when that was asked for. Throws `usage_invalid`. */
export const readOptions = <const O extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: O,
  help: string,
) => {
  try {
    const { values } = parseArgs({
      args,
      options: { ...options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    return values
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}

export const sizeText = (bytes: number): string => {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

export const durationText = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
