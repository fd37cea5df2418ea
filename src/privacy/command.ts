import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { createKeyedHash } from '../keyed-hash.ts'
import { createLog } from '../log.ts'
import { openDatabase } from '../open-database.ts'
import { ensureHashKey } from '../secrets.ts'
import { createDestinations } from '../storage/destinations.ts'
import { alignColumns } from '../text-table.ts'
import { personDocument } from './document.ts'
import { type ErasureView, type PersonId, requestErasure, selectErasureViews } from './requests.ts'

export type CommandIo = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }

const forgetHelp = `Usage: evothesis forget --visitor ID | --user ID [--wait] [--json]

  Erases a person: from the buffer, the spool, the rejects, the profiles, and from every delivered file in every
  destination, which is written again without the person's rows. What was metered stays as it is. A user is also their
  visitors. The work is done by the server on this DATA_DIR, or by the next one that starts.

  --wait    Waits until all of it is done, and says how far it is.

Exit code: 0 accepted (with --wait: finished), 1 it failed, 2 wrong usage.
`
const privacyHelp = `Usage: evothesis privacy export --visitor ID | --user ID [--out FILE]
       evothesis privacy list [--json]

  export    All events of a person, from the buffer and from the delivered files, as JSON (access and portability).
  list      The erasures that were asked for, and how far they are.

Exit code: 0 done, 1 it failed, 2 wrong usage.
`

/** `evothesis forget`. Resolves to the exit code. */
export const forgetCommand = async (args: string[], io: CommandIo): Promise<number> => {
  const { values } = read(args, forgetHelp, { visitor: text, user: text, wait: flag, json: flag, help: flag })
  if (values.help) return print(io, forgetHelp)
  const id = personId(values, forgetHelp)
  return withDatabase(io, async ({ db, keyedHash }) => {
    const { erasureId } = await requestErasure(db, keyedHash, id, { by: 'command line', nowMs: clock.now() })
    let [view] = await selectErasureViews(db, erasureId)
    if (!values.json) io.stdout.write(`Erasure ${erasureId} is accepted.\n`)
    for (
      let said = '';
      values.wait && view && view.state !== 'finished';
      [view] = await selectErasureViews(db, erasureId)
    ) {
      if (!values.json && said !== view.state) io.stdout.write(`  ${stateText(view)}\n`)
      said = view.state
      await clock.sleep(pollMs)
    }
    if (values.json) io.stdout.write(`${JSON.stringify(view, null, 2)}\n`)
    else if (view?.state === 'finished') io.stdout.write(`  finished: ${view.events} events were in delivered files\n`)
    else io.stdout.write('How far it is:  npx evothesis privacy list\n')
    return 0
  })
}

/** `evothesis privacy export|list`. Resolves to the exit code. */
export const privacyCommand = async (args: string[], io: CommandIo): Promise<number> => {
  const [action, ...rest] = args
  const { values } = read(rest, privacyHelp, { visitor: text, user: text, out: text, json: flag, help: flag })
  if (values.help || action === '--help' || action === '-h') return print(io, privacyHelp)
  if (action === 'list')
    return withDatabase(io, async ({ db }) => {
      const erasures = await selectErasureViews(db)
      io.stdout.write(values.json ? `${JSON.stringify(erasures, null, 2)}\n` : erasureTable(erasures))
      return 0
    })
  if (action !== 'export') throw new AppError('usage_invalid', `There is no action ${action ?? ''}.\n\n${privacyHelp}`)
  const id = personId(values, privacyHelp)
  return withDatabase(io, async ({ db, keyedHash, config }) => {
    const destinations = createDestinations(config)
    try {
      const document = personDocument(
        {
          ...{ db, destinations, memoryMb: config.ENCODE_MEMORY_MB },
          scratchFolder: path.join(path.resolve(config.DATA_DIR), 'scratch'),
        },
        { keyedHash, id, by: 'command line', nowMs: clock.now() },
      )
      const out = values.out === undefined ? io.stdout : createWriteStream(values.out, { mode: 0o600 })
      await pipeline(Readable.from(await document), out, { end: out !== io.stdout })
      return 0
    } finally {
      for (const destination of destinations) destination.close()
    }
  })
}

const pollMs = 1_000
const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

const read = <T extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  args: string[],
  help: string,
  options: T,
) => {
  try {
    return parseArgs({ args, options: options as NonNullable<T>, strict: true })
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}

const personId = ({ visitor, user }: PersonId, help: string): PersonId => {
  if ((visitor === undefined) === (user === undefined))
    throw new AppError('usage_invalid', `Name --visitor ID or --user ID.\n\n${help}`)
  return visitor === undefined ? { user } : { visitor }
}

const print = (io: CommandIo, help: string): number => {
  io.stdout.write(help)
  return 0
}

const withDatabase = async (
  io: CommandIo,
  work: (deps: {
    db: Awaited<ReturnType<typeof openDatabase>>['db']
    keyedHash: ReturnType<typeof createKeyedHash>
    config: Config
  }) => Promise<number>,
): Promise<number> => {
  const config = io.config()
  const log = createLog(config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL)
  const hashKey = ensureHashKey(config)
  const { db, close } = await openDatabase(config, { log, applicationName: 'evothesis privacy' })
  try {
    return await work({ db, keyedHash: createKeyedHash(hashKey), config })
  } finally {
    await close()
  }
}

const stateText = ({ state, parts_waiting: parts }: ErasureView): string =>
  ({
    waiting: 'waiting until the spool holds nothing of before the request (is a server running?)',
    erasing: 'taking rows out of the buffer',
    delivering:
      parts > 0
        ? `writing delivered files again (${parts} parts on their way)`
        : 'nothing is left in delivered files that arrived; profiles and notes follow',
    finished: 'finished',
  })[state]

const erasureTable = (erasures: readonly ErasureView[]): string => {
  if (erasures.length === 0) return 'No erasure was asked for.\n'
  const rows = [
    ['ERASURE', 'ASKED', 'BY', 'KIND', 'STATE', 'EVENTS IN FILES', 'PARTS WAITING'],
    ...erasures.map((one) => [
      ...[one.erasure_id, one.requested_at, one.requested_by, one.kind, one.state],
      ...[String(one.events), String(one.parts_waiting)],
    ]),
  ]
  return `${alignColumns(rows).join('\n')}\n`
}
