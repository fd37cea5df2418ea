import { type DestinationStream, pino, stdSerializers } from 'pino'

export type Log = {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * Structured logs, a JSON object a line, on standard error (standard output belongs to what a command answers).
 * URLs' query strings and bodies are never logged: callers pass codes, counts and ids only.
 */
export const createLog = (level: string, to: DestinationStream = pino.destination({ dest: 2, sync: true })): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: withoutRows },
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['*.authorization', '*.password', '*.secret', '*.token', 'authorization', 'password', 'secret', 'token'],
        censor: '[secret]',
      },
    },
    to,
  )

/** An error without what PostgreSQL quotes of rows and parameters in it. */
const withoutRows = (error: Error): object => {
  const { detail: _detail, where: _where, internalQuery: _query, ...rest } = stdSerializers.err(error)
  return rest
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
