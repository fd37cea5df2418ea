import { parseArgs } from 'node:util'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { openDatabase } from '../open-database.ts'
import { outboxEventTypes } from '../outbox.ts'
import { selectAttempts } from './attempts.ts'
import { disableByHand, enableEndpoint, removeEndpoint } from './endpoint-service.ts'
import {
  addEndpoint,
  checkEventTypes,
  type Endpoint,
  endpointView,
  rotateSecret,
  selectEndpoints,
} from './endpoints.ts'
import { replayEvents } from './replay-events.ts'
import { sendTest } from './send-test.ts'
import { createSender } from './send-webhook.ts'
import { applySettingsEndpoints, settingsSecrets } from './settings-endpoints.ts'
import { asUsage } from './wrong-usage.ts'

export type CommandIo = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }

const help = `Usage: evothesis webhooks <action> [options]

  list                                   Endpoints, their state, what waits, the last attempt.
  add NAME URL [--events A,B]            Adds an endpoint; prints its secret, once. Without --events it gets all.
  send-test NAME                         Sends webhook.test now and prints what came back.
  replay --from T --to T [--endpoint NAME] [--events A,B]
                                         Sends the events of a time once more, under the same ids.
  rotate NAME [--force]                  Makes a new secret and prints it, once; the old one signs, too, for a day.
  attempts NAME [--failed]               The latest attempts, with what came back or why nothing did.
  disable NAME                           Takes an endpoint out of service and gives up what waits for it.
  enable NAME                            Takes a disabled endpoint into service again.
  remove NAME                            Forgets an endpoint and what waits for it.

  --json     Prints the answer as JSON.

T is a date or a time with zone, such as 2026-11-20 or 2026-11-20T17:00:00Z; --to is exclusive.
Events: ${outboxEventTypes.join(', ')}.
BILLING_WEBHOOK_URL and ALERT_WEBHOOK_URL are the endpoints billing and alerts.
Exit code: 0 done, 1 it failed or an endpoint is disabled, 2 wrong usage.
`
/** The API answers more. */
const attemptsShownMax = 50
const actions = ['list', 'add', 'send-test', 'replay', 'rotate', 'attempts', 'disable', 'enable', 'remove'] as const
type Action = (typeof actions)[number]
type Args = {
  action: Action
  names: string[]
  json: boolean
  force: boolean
  failed: boolean
  events: string[] | null
  from: string | undefined
  to: string | undefined
  endpoint: string | null
}
type Answer = { value: unknown; text: string; ok: boolean }

/** `evothesis webhooks …`. Resolves to the exit code. */
export const webhooksCommand = async (args: string[], io: CommandIo): Promise<number> => {
  const read = readArgs(args)
  if (read === 'help') {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  const log = createLog(config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL)
  const { db, close } = await openDatabase(config, { log, applicationName: 'evothesis webhooks' })
  try {
    await applySettingsEndpoints(db, config, { nowMs: clock.now(), retires: false })
    const answer = await asUsage(run(db, config, read))
    io.stdout.write(read.json ? `${JSON.stringify(answer.value, null, 2)}\n` : answer.text)
    return answer.ok ? 0 : 1
  } finally {
    await close()
  }
}

const readArgs = (args: string[]): Args | 'help' => {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const parse = () => {
    try {
      return parseArgs({
        args,
        allowPositionals: true,
        options: {
          json: flag,
          help: { ...flag, short: 'h' },
          force: flag,
          failed: flag,
          events: text,
          from: text,
          to: text,
          endpoint: text,
        },
      })
    } catch (error) {
      throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
    }
  }
  const { values, positionals } = parse()
  if (values.help) return 'help'
  const [name, ...names] = positionals
  const action = actions.find((one) => one === name)
  const namesNeeded = action === 'add' ? 2 : action === 'list' || action === 'replay' ? 0 : 1
  if (!action || names.length !== namesNeeded) throw new AppError('usage_invalid', help)
  const { json = false, force = false, failed = false, from, to, endpoint = null } = values
  return { action, names, json, force, failed, events: values.events?.split(',') ?? null, from, to, endpoint }
}

const run = async (db: Db, config: Config, args: Args): Promise<Answer> => {
  const [name = '', url = ''] = args.names
  const nowMs = clock.now()
  const actor = { by: 'command line', nowMs }
  const client = { clientId: config.CLIENT_ID, nodeId: config.NODE_ID }
  const done = (state: string, text: string): Answer => ({ value: { name, state }, text: `${text}\n`, ok: true })
  if (args.action === 'list') return listAnswer(await selectEndpoints(db, nowMs))
  if (args.action === 'send-test') return test(db, config, name)
  if (args.action === 'attempts') return attempts(db, args)
  if (args.action === 'replay') return replay(db, args, nowMs)
  if (args.action === 'add') {
    const allowPrivate = config.WEBHOOK_ALLOW_PRIVATE
    const { secret } = await addEndpoint(db, { name, url, eventTypes: args.events, allowPrivate, ...actor })
    return { value: { name, url, secret }, text: `Added ${name}. Its secret, shown once: ${secret}\n`, ok: true }
  }
  if (args.action === 'rotate') {
    const secret = await rotateSecret(db, name, { ...actor, force: args.force })
    const text = `The new secret of ${name}, shown once: ${secret}\nThe old one signs, too, until a day from now.\n`
    return { value: { name, secret }, text, ok: true }
  }
  if (args.action === 'enable') {
    await enableEndpoint(db, name, actor, client)
    const next = `evothesis webhooks replay --endpoint ${name} --from … --to …`
    return done('active', `${name} is in service. Send what it missed: ${next}`)
  }
  if (args.action === 'disable') {
    await disableByHand(db, name, actor)
    return done('disabled', `${name} is disabled; what waited for it is given up.`)
  }
  await removeEndpoint(db, name, actor)
  return done('removed', `${name} is gone.`)
}

const listAnswer = (endpoints: Endpoint[]): Answer => {
  const lines = endpoints.flatMap((one) => [
    `${one.name}  ${one.url}`,
    `  ${one.state}${one.disabledReason ? `: ${one.disabledReason}` : ''}; events: ${one.eventTypes?.join(', ') ?? 'all'}`,
    `  ${one.pending} waiting, ${one.exhausted} given up${one.failingSinceMs === null ? '' : `; failing since ${new Date(one.failingSinceMs).toISOString()}`}`,
    ...(one.lastAttempt
      ? [`  last attempt ${one.lastAttempt.at}: ${one.lastAttempt.error ?? one.lastAttempt.status}`]
      : []),
  ])
  const text =
    endpoints.length === 0 ? 'There are no endpoints; add one: evothesis webhooks add NAME URL' : lines.join('\n')
  return { value: endpoints.map(endpointView), text: `${text}\n`, ok: endpoints.every((one) => one.state === 'active') }
}

const test = async (db: Db, config: Config, name: string): Promise<Answer> => {
  const deps = {
    ...{ db, clock, client: { clientId: config.CLIENT_ID, nodeId: config.NODE_ID } },
    send: createSender({ clock, allowPrivate: config.WEBHOOK_ALLOW_PRIVATE }),
    settingsSecrets: (one: string) => settingsSecrets(config, one),
  }
  const { event, status, error, durationMs } = await sendTest(deps, name, 'command line')
  const text = error === null ? `${name} took it (${status}).` : `${name} failed: ${error}.`
  return {
    value: { name, event, status, error, duration_ms: durationMs },
    text: `${text}\n`,
    ok: error === null,
  }
}

const attempts = async (db: Db, { names: [name = ''], failed }: Args): Promise<Answer> => {
  const rows = await selectAttempts(db, name, { rowsMax: attemptsShownMax, failedOnly: failed })
  const lines = rows.map((one) => {
    const next = one.next_attempt_at === null ? '' : `; next ${one.next_attempt_at}`
    return `${one.at}  ${one.error ?? `took it (${one.status})`}  ${one.type}  ${one.event}  ${one.state}${next}\n`
  })
  return { value: rows, text: lines.join('') || `Nothing was sent to ${name} yet.\n`, ok: true }
}

const replay = async (db: Db, args: Args, nowMs: number): Promise<Answer> => {
  const at = (option: string, text: string | undefined): number => {
    const ms = text === undefined ? Number.NaN : Date.parse(text)
    if (Number.isNaN(ms))
      throw new AppError('usage_invalid', `--${option} must be a time such as 2026-11-20T17:00:00Z.`)
    return ms
  }
  const { endpoint } = args
  const eventTypes = checkEventTypes(args.events)
  const range = { fromMs: at('from', args.from), toMs: at('to', args.to), endpoint, eventTypes }
  const deliveries = await replayEvents(db, range, { by: 'command line', nowMs })
  return { value: { deliveries }, text: `${deliveries} deliveries will be sent again by the server.\n`, ok: true }
}
