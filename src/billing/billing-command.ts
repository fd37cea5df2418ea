import { parseArgs } from 'node:util'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { openDatabase } from '../open-database.ts'
import { createDestinations } from '../storage/destinations.ts'
import { addMonths, type Month, monthAt, parseMonth } from './calendar.ts'
import { domainsView } from './domain-view.ts'
import { decideDomain, selectDomains } from './domains.ts'
import { loadPlans, termsOf } from './plans.ts'
import { reconcile } from './reconcile.ts'
import { reconcilePlace } from './reconcile-place.ts'
import { renderDomains, renderReconciliation, renderStatement, renderUsage } from './render.ts'
import { reportUsage } from './report.ts'
import { noStatement } from './routes.ts'
import { selectScan } from './scan-domains.ts'
import { statementCsv } from './statement-csv.ts'
import { selectStatement } from './statement-rows.ts'
import { asUsage } from './wrong-usage.ts'

export type BillingIo = { config: () => Config; stdout: NodeJS.WritableStream }

const help = `Usage: evothesis billing <action> [options]

  usage [--month YYYY-MM]                What was collected and would be billed; default: this month.
  domains [approve|block DOMAIN]         Domains, what speaks for and against them; decide about one.
  statement [--month YYYY-MM] [--revision N] [--csv]
                                         The statement of a closed month; default: last month, latest revision.
  reconcile [--month YYYY-MM]            Proves received = delivered = metered, and what was billed of it; last month.
  reconcile PLACE [--month YYYY-MM]      The same from a backup alone: s3://bucket/prefix, with endpoint and keys of the
                                         BACKUP_S3_ settings, or a folder. Without a prefix: every client of the bucket.

  --json     Prints the answer as JSON.

Exit code: 0 done and without differences, 1 differences or failure, 2 wrong usage.
`
const actions = ['usage', 'domains', 'statement', 'reconcile'] as const
type Args = {
  action: (typeof actions)[number]
  rest: string[]
  month: string | undefined
  revision: number | null
  json: boolean
  csv: boolean
}
type Answer = { value: unknown; text: string; ok: boolean }

/** `evothesis billing …`. Resolves to the exit code. */
export const billingCommand = async (args: string[], io: BillingIo): Promise<number> => {
  const read = readArgs(args)
  if (read === 'help') {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  const answer = await asUsage(
    read.rest[0] !== undefined && read.action === 'reconcile' ? fromPlace(config, read) : fromDatabase(config, read),
  )
  io.stdout.write(read.json ? `${JSON.stringify(answer.value, null, 2)}\n` : answer.text)
  return answer.ok ? 0 : 1
}

const readArgs = (args: string[]): Args | 'help' => {
  const [text, flag] = [{ type: 'string' }, { type: 'boolean' }] as const
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { month: text, revision: text, csv: flag, json: flag, help: { ...flag, short: 'h' } },
    })
    if (values.help) return 'help'
    const [name, ...rest] = positionals
    const action = actions.find((one) => one === name)
    const isDecision = rest.length === 2 && (rest[0] === 'approve' || rest[0] === 'block')
    const restOk =
      rest.length === 0 || (action === 'reconcile' && rest.length === 1) || (action === 'domains' && isDecision)
    if (!action || !restOk) throw new Error('Unknown or missing arguments.')
    const revision = values.revision === undefined ? null : Number(values.revision)
    if (revision !== null && !(Number.isInteger(revision) && revision > 0))
      throw new Error('--revision is a number from 1.')
    const { month, json = false, csv = false } = values
    if (month !== undefined) parseMonth(month)
    return { action, rest, month, revision, json, csv }
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}

const lastMonth = (config: Config): Month => addMonths(monthAt(clock.now(), config.BILLING_TIMEZONE), -1)

const fromPlace = async (config: Config, { rest, month }: Args): Promise<Answer> => {
  const reports = await reconcilePlace(config, rest[0] ?? '', month ?? lastMonth(config))
  return {
    value: reports,
    text: reports.map(renderReconciliation).join('\n'),
    ok: reports.every((one) => one.differences.length === 0),
  }
}

const fromDatabase = async (config: Config, args: Args): Promise<Answer> => {
  const log = createLog(config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL)
  const { db, close } = await openDatabase(config, { log, applicationName: 'evothesis billing' })
  try {
    return await run(db, config, args)
  } finally {
    await close()
  }
}

const run = async (db: Db, config: Config, args: Args): Promise<Answer> => {
  const { BILLING_TIMEZONE: timeZone, CLIENT_ID: clientId, NODE_ID: nodeId } = config
  if (args.action === 'domains') return domains(db, args)
  if (args.action === 'usage') {
    const plans = loadPlans(config.DATA_DIR)
    const deps = { db, clientId, plans, terms: termsOf(plans, config), timeZone }
    const report = await reportUsage(deps, args.month, clock.now())
    return { value: report, text: renderUsage(report), ok: true }
  }
  const month = args.month ?? lastMonth(config)
  if (args.action === 'statement') {
    const found = await selectStatement(db, month, args.revision)
    if (!found) throw noStatement(month)
    const text = args.csv ? statementCsv(found.statement) : renderStatement(found.statement)
    return { value: found.statement, text, ok: true }
  }
  const destinations = createDestinations(config)
  try {
    const report = await reconcile({ db, clock, destinations, clientId, nodeId, timeZone }, month)
    return { value: report, text: renderReconciliation(report), ok: report.differences.length === 0 }
  } finally {
    for (const destination of destinations) destination.close()
  }
}

const domains = async (db: Db, { rest: [verb, name] }: Args): Promise<Answer> => {
  if (verb !== undefined && name !== undefined) {
    const domain = name.toLowerCase()
    const state = verb === 'approve' ? 'approved' : 'blocked'
    await decideDomain(db, { domain, state, by: 'command line', nowMs: clock.now() })
    return { value: { domain, state }, text: `${domain} is ${state}.\n`, ok: true }
  }
  const [rows, scan] = [await selectDomains(db), await selectScan(db)]
  return { value: domainsView(rows, scan), text: renderDomains(rows, scan), ok: true }
}
