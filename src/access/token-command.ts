import { parseArgs } from 'node:util'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { openDatabase } from '../open-database.ts'
import { type Role, roles } from '../roles.ts'
import { alignColumns } from '../text-table.ts'
import { createToken, revokeToken, selectTokens, type TokenView } from './tokens.ts'

export type CommandIo = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }

const help = `Usage: evothesis token create --name NAME --role viewer|client|operator [--expires 90d] [--json]
       evothesis token list [--json]
       evothesis token revoke ID

  create    Makes a token for Authorization: Bearer …, and prints it, once; only its hash is kept. A viewer reads; a
            client also decides about domains and the requests of people; an operator may do everything.
  list      All tokens, and whether they still count.
  revoke    Ends a token at once.

  --expires  How long it counts: 12h, 90d or 2y. Default: 90d.

Exit code: 0 done, 1 it failed, 2 wrong usage.
`
const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const hoursOf: Record<string, number> = { h: 1, d: 24, y: 24 * 365 }
const hoursMax = 10 * 365 * 24

/** `evothesis token …`. Resolves to the exit code. */
export const tokenCommand = async (args: string[], io: CommandIo): Promise<number> => {
  const { values, positionals } = readArgs(args)
  const [action, id] = positionals
  if (values.help) {
    io.stdout.write(help)
    return 0
  }
  const create = action === 'create' ? createArgs(values) : undefined
  if (!create && action !== 'list' && !(action === 'revoke' && id !== undefined))
    throw new AppError('usage_invalid', `Say create, list or revoke ID.\n\n${help}`)
  const config = io.config()
  const log = createLog(config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL)
  const { db, close } = await openDatabase(config, { log, applicationName: 'evothesis token' })
  try {
    if (create) return await printNew(db, create, values.json === true, io)
    if (action === 'revoke') {
      await revokeToken(db, id ?? '', { nowMs: clock.now(), by: 'command line' })
      io.stdout.write('It counts no more.\n')
      return 0
    }
    const tokens = await selectTokens(db, clock.now())
    io.stdout.write(values.json ? `${JSON.stringify(tokens, null, 2)}\n` : table(tokens))
    return 0
  } finally {
    await close()
  }
}

const readArgs = (args: string[]) => {
  try {
    return parseArgs({
      ...{ args, allowPositionals: true },
      options: { name: text, role: text, expires: text, json: flag, help: flag },
    })
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}

const createArgs = ({ name, role, expires = '90d' }: { name?: string; role?: string; expires?: string }) => {
  const known = roles.find((one) => one === role)
  if (name === undefined || known === undefined)
    throw new AppError('usage_invalid', `A token needs --name and --role ${roles.join(', ')}.\n\n${help}`)
  const [, count = '', unit = ''] = /^(\d{1,6})([hdy])$/.exec(expires) ?? []
  const hours = Number(count) * (hoursOf[unit] ?? 0)
  if (hours <= 0 || hours > hoursMax)
    throw new AppError('usage_invalid', `--expires is how long it counts: 12h, 90d or 2y, at most 10 years.\n\n${help}`)
  return { name, role: known, hours }
}

const printNew = async (
  db: Db,
  { name, role, hours }: { name: string; role: Role; hours: number },
  asJson: boolean,
  io: CommandIo,
): Promise<number> => {
  const nowMs = clock.now()
  const expiresMs = nowMs + hours * 3_600_000
  const { tokenId, token } = await createToken(db, { name, role, expiresMs, nowMs, by: 'command line' })
  const expires = new Date(expiresMs).toISOString()
  if (asJson) io.stdout.write(`${JSON.stringify({ token_id: tokenId, token, role, expires_at: expires }, null, 2)}\n`)
  else io.stdout.write(`${token}\n`)
  // Beside the token, so that a pipe gets the token alone.
  if (!asJson) io.stderr.write(`Token ${tokenId} (${role}) counts until ${expires}. It is shown this once.\n`)
  return 0
}

const table = (tokens: readonly TokenView[]): string => {
  if (tokens.length === 0) return 'There are no tokens; the admin token is in DATA_DIR/admin-token.\n'
  const rows = [
    ['TOKEN', 'NAME', 'ROLE', 'CREATED', 'EXPIRES', 'STATE'],
    ...tokens.map((one) => [one.token_id, one.name, one.role, one.created_at, one.expires_at, one.state]),
  ]
  return `${alignColumns(rows).join('\n')}\n`
}
