import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { insertOutbox, outboxEventTypes } from '../outbox.ts'
import {
  addEndpoint,
  type Endpoint,
  enableEndpoint,
  removeEndpoint,
  rotateSecret,
  selectEndpoints,
  selectTarget,
} from './endpoints.ts'
import { openDatabase } from './open-database.ts'
import { createSender } from './send-webhook.ts'
import { applySettingsEndpoints, settingsSecrets } from './settings-endpoints.ts'
import { insertTestDelivery, recordTest, replayEvents } from './webhook-deliveries.ts'

export type CommandIo = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }

const help = `Usage: evothesis webhooks <action> [options]

  list                                   Endpoints, their state, what waits, the last attempt.
  add NAME URL [--events A,B]            Adds an endpoint; prints its secret, once. Without --events it gets all.
  send-test NAME                         Sends webhook.test now and prints what came back.
  replay --from T --to T [--endpoint NAME] [--events A,B]
                                         Sends the events of a time once more, under the same ids.
  rotate NAME [--force]                  Makes a new secret and prints it, once; the old one signs, too, for a day.
  enable NAME                            Takes a disabled endpoint into service again.
  remove NAME                            Forgets an endpoint and what waits for it.

  --json     Prints the answer as JSON.

T is a date or a time with zone, such as 2026-11-20 or 2026-11-20T17:00:00Z; --to is exclusive.
Events: ${outboxEventTypes.join(', ')}.
BILLING_WEBHOOK_URL and ALERT_WEBHOOK_URL are the endpoints billing and alerts.
Exit code: 0 done, 1 it failed or an endpoint is disabled, 2 wrong usage.
`
const actions = ['list', 'add', 'send-test', 'replay', 'rotate', 'enable', 'remove'] as const
type Action = (typeof actions)[number]
type Args = {
  action: Action
  names: string[]
  json: boolean
  force: boolean
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
    await applySettingsEndpoints(db, config, clock.now())
    const answer = await run(db, config, read)
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
  const { json = false, force = false, from, to, endpoint = null } = values
  return { action, names, json, force, events: values.events?.split(',') ?? null, from, to, endpoint }
}

const run = async (db: Db, config: Config, args: Args): Promise<Answer> => {
  const [name = '', url = ''] = args.names
  const nowMs = clock.now()
  const done = (text: string): Answer => ({ value: { endpoint: name, done: text }, text: `${text}\n`, ok: true })
  if (args.action === 'list') return listAnswer(await selectEndpoints(db, nowMs))
  if (args.action === 'send-test') return sendTest(db, config, name)
  if (args.action === 'replay') return replay(db, args, nowMs)
  if (args.action === 'add') {
    const { secret } = await addEndpoint(db, { name, url, eventTypes: args.events, nowMs })
    return {
      value: { endpoint: name, url, secret },
      text: `Added ${name}. Its secret, shown once: ${secret}\n`,
      ok: true,
    }
  }
  if (args.action === 'rotate') {
    const secret = await rotateSecret(db, name, { nowMs, force: args.force })
    const text = `The new secret of ${name}, shown once: ${secret}\nThe old one signs, too, until a day from now.\n`
    return { value: { endpoint: name, secret }, text, ok: true }
  }
  if (args.action === 'enable') {
    await enableEndpoint(db, name)
    return done(
      `${name} is in service. Send what it missed: evothesis webhooks replay --endpoint ${name} --from … --to …`,
    )
  }
  await removeEndpoint(db, name)
  return done(`${name} is gone.`)
}

const listAnswer = (endpoints: Endpoint[]): Answer => {
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  const lines = endpoints.flatMap((one) => [
    `${one.name}  ${one.url}`,
    `  ${one.state}${one.disabledReason ? `: ${one.disabledReason}` : ''}; events: ${one.eventTypes?.join(', ') ?? 'all'}`,
    `  ${one.pending} waiting, ${one.exhausted} given up${one.failingSinceMs === null ? '' : `; failing since ${iso(one.failingSinceMs)}`}`,
    ...(one.lastAttempt
      ? [`  last attempt ${one.lastAttempt.at}: ${one.lastAttempt.error ?? one.lastAttempt.status}`]
      : []),
  ])
  const text =
    endpoints.length === 0 ? 'There are no endpoints; add one: evothesis webhooks add NAME URL' : lines.join('\n')
  const value = endpoints.map(({ failingSinceMs, rotatingUntilMs, ...one }) => ({
    ...one,
    failingSince: iso(failingSinceMs),
    rotatingUntil: iso(rotatingUntilMs),
  }))
  return { value, text: `${text}\n`, ok: endpoints.every((one) => one.state === 'active') }
}

/** Sent at once and by this process, so that its outcome can be shown; it is in the attempt log like any other. */
const sendTest = async (db: Db, config: Config, name: string): Promise<Answer> => {
  const nowMs = clock.now()
  const endpoint = (await selectEndpoints(db, nowMs)).find((one) => one.name === name)
  const target = endpoint && (await selectTarget(db, endpoint.endpointId, nowMs, (one) => settingsSecrets(config, one)))
  if (!endpoint || !target)
    throw new AppError('not_found', `There is no endpoint ${name} in service; see: evothesis webhooks list`)
  const written = await db.transaction(async (tx) => {
    const eventId = await insertOutbox(tx, {
      ...{ clientId: config.CLIENT_ID, nodeId: config.NODE_ID, type: 'webhook.test', key: randomUUID() },
      ...{ occurredMs: nowMs, data: { message: 'This is a test.' } },
    })
    return { eventId, body: await insertTestDelivery(tx, eventId, endpoint.endpointId, nowMs) }
  })
  const send = createSender({ clock, allowPrivate: config.WEBHOOK_ALLOW_PRIVATE })
  const attempt = await send(target, { id: written.eventId, body: written.body })
  await recordTest(db, { eventId: written.eventId, endpointId: endpoint.endpointId, atMs: nowMs, ...attempt })
  const text = attempt.error === null ? `${name} took it (${attempt.status}).` : `${name} failed: ${attempt.error}.`
  return {
    value: { endpoint: name, event: written.eventId, ...attempt },
    text: `${text}\n`,
    ok: attempt.error === null,
  }
}

const replay = async (db: Db, args: Args, nowMs: number): Promise<Answer> => {
  const at = (option: string, text: string | undefined): number => {
    const ms = text === undefined ? Number.NaN : Date.parse(text)
    if (Number.isNaN(ms))
      throw new AppError('usage_invalid', `--${option} must be a time such as 2026-11-20T17:00:00Z.`)
    return ms
  }
  const { endpoint, events: eventTypes } = args
  const range = { fromMs: at('from', args.from), toMs: at('to', args.to), endpoint, eventTypes, nowMs }
  const deliveries = await replayEvents(db, range)
  return { value: { deliveries }, text: `${deliveries} deliveries will be sent again by the server.\n`, ok: true }
}
