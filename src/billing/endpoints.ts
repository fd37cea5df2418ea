import { type Actor, insertAudit } from '../audit.ts'
import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { type OutboxEventType, outboxEventTypes } from '../outbox.ts'
import { type Secret, secret } from '../secret.ts'
import { checkAddress } from './public-address.ts'
import { checkWebhookSecret, createWebhookSecret } from './signature.ts'
import { disableEndpoint } from './webhook-deliveries.ts'

export type Endpoint = {
  endpointId: number
  name: string
  url: string
  /** Null: all. */
  eventTypes: OutboxEventType[] | null
  state: 'active' | 'disabled'
  disabledReason: string | null
  failingSinceMs: number | null
  /** Two keys sign until then. */
  rotatingUntilMs: number | null
  /** Its address and secret are in the settings. */
  isSetting: boolean
  pending: number
  exhausted: number
  lastAttempt: { at: string; status: number | null; error: string | null } | null
}

const namePattern = /^[a-z0-9][a-z0-9_-]{0,39}$/
const urlCharsMax = 2000
/** The endpoints of BILLING_WEBHOOK_URL and ALERT_WEBHOOK_URL. */
export const settingsNames: readonly string[] = ['billing', 'alerts']
const gone = 'not in the settings any more'
/** More would make every event a broadcast. */
const endpointsMax = 20
/** How long both keys sign after a rotation: time enough to change the receivers. */
export const rotationMs = 24 * 3600 * 1000

const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::bigint`

export const selectEndpoints = (db: Queryable, nowMs: number): Promise<Endpoint[]> =>
  db.query<Endpoint>(
    `select endpoint_id as "endpointId", name, url, event_types as "eventTypes", state, disabled_reason as "disabledReason",
            ${ms('failing_since')} as "failingSinceMs",
            case when previous_until > to_timestamp($1::float8 / 1000) then ${ms('previous_until')} end as "rotatingUntilMs",
            secret is null as "isSetting",
            (select count(*) from webhook_deliveries d where d.endpoint_id = e.endpoint_id and state = 'pending') as pending,
            (select count(*) from webhook_deliveries d where d.endpoint_id = e.endpoint_id and state = 'exhausted') as exhausted,
            (select jsonb_build_object('at', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'status', status, 'error', error) from webhook_attempts a
             where a.endpoint_id = e.endpoint_id order by attempt_id desc limit 1) as "lastAttempt"
     from webhook_endpoints e order by endpoint_id`,
    [nowMs],
  )

/** An endpoint as the API and `--json` show it: times as text, and no secret. */
export const endpointView = ({ failingSinceMs, rotatingUntilMs, ...one }: Endpoint) => ({
  ...{ name: one.name, url: one.url, event_types: one.eventTypes, origin: one.isSetting ? 'settings' : 'added' },
  ...{ state: one.state, disabled_reason: one.disabledReason, failing_since: isoOf(failingSinceMs) },
  ...{ rotating_until: isoOf(rotatingUntilMs), pending: one.pending, exhausted: one.exhausted },
  last_attempt: one.lastAttempt,
})
const isoOf = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString())

/**
 * Adds an endpoint with a secret of its own, which is answered here and never shown again. Throws `request_invalid` for a
 * name, address or event that cannot be, `forbidden` for an address that nothing would be sent to, `conflict`.
 */
export const addEndpoint = (
  db: Db,
  added: { name: string; url: string; eventTypes: readonly string[] | null; allowPrivate: boolean } & Actor,
): Promise<{ endpointId: number; secret: string }> =>
  db.transaction(async (tx) => {
    const eventTypes = checkEventTypes(added.eventTypes)
    if (!namePattern.test(added.name))
      throw new AppError(
        'request_invalid',
        'A name has 1 to 40 of a-z, 0-9, _ and -, beginning with a letter or digit.',
      )
    if (settingsNames.includes(added.name))
      throw new AppError('conflict', `${added.name} is the endpoint of a setting; take another name.`)
    if (!URL.canParse(added.url) || added.url.length > urlCharsMax)
      throw new AppError('request_invalid', `${added.url.slice(0, 100)} is not an address.`)
    checkAddress(new URL(added.url), added)
    await tx.execute('lock table webhook_endpoints in share row exclusive mode')
    const [known] = await tx.query<{ endpoints: number; same: number }>(
      `select count(*) as endpoints, count(*) filter (where name = $1::text) as same from webhook_endpoints`,
      [added.name],
    )
    if (known && known.same > 0)
      throw new AppError('conflict', `There is an endpoint ${added.name}; take another name.`)
    if (known && known.endpoints >= endpointsMax)
      throw new AppError('conflict', `There are ${endpointsMax} endpoints, the most there may be; remove one.`)
    const made = createWebhookSecret().reveal()
    const [row] = await tx.query<{ id: number }>(
      `insert into webhook_endpoints (name, url, secret, event_types, created_at)
       values ($1::text, $2::text, $3::text, $4::text[], to_timestamp($5::float8 / 1000)) returning endpoint_id as id`,
      [added.name, added.url, made, eventTypes, added.nowMs],
    )
    await insertAudit(tx, added, 'webhook.added', added.name)
    return { endpointId: row?.id ?? 0, secret: made }
  })

/** Throws `request_invalid` for an event that there is not. Null: all. */
export const checkEventTypes = (types: readonly string[] | null): OutboxEventType[] | null =>
  types === null
    ? null
    : types.map((type) => {
        const found = outboxEventTypes.find((one) => one === type)
        if (found) return found
        throw new AppError('request_invalid', `There is no event ${type}; there are: ${outboxEventTypes.join(', ')}.`)
      })

/** An endpoint that the settings name: its secret stays there. Another address is a new beginning. */
export const setSettingsEndpoint = async (
  db: Queryable,
  endpoint: { name: string; url: string; eventTypes: readonly OutboxEventType[] | null; nowMs: number },
): Promise<void> => {
  await db.execute(
    `insert into webhook_endpoints (name, url, event_types, created_at)
     values ($1::text, $2::text, $3::text[], to_timestamp($4::float8 / 1000))
     on conflict (name) do update set url = excluded.url, event_types = excluded.event_types,
       state = 'active', disabled_reason = null, failing_since = null, paused_until = null
     where webhook_endpoints.url <> excluded.url or webhook_endpoints.disabled_reason = $5::text`,
    [endpoint.name, endpoint.url, endpoint.eventTypes, endpoint.nowMs, gone],
  )
}

/** Takes an endpoint out of service that the settings do not name any more. */
export const retireSettingsEndpoint = async (db: Queryable, name: string, nowMs: number): Promise<void> => {
  const [found] = await db.query<{ id: number }>(
    `select endpoint_id as id from webhook_endpoints where name = $1::text and secret is null and state = 'active'`,
    [name],
  )
  if (found) await disableEndpoint(db, found.id, gone, nowMs)
}

export const noEndpoint = (name: string): AppError =>
  new AppError('not_found', `There is no endpoint ${name}; see: evothesis webhooks list`)

/**
 * Gives an endpoint a new secret; the old one signs, too, for a day. Answers the new one, once. Throws `conflict` while a
 * rotation is under way (a second one would take the key away that receivers still use), unless forced.
 */
export const rotateSecret = (db: Db, name: string, options: Actor & { force: boolean }): Promise<string> =>
  db.transaction(async (tx) => {
    const [found] = await tx.query<{ secret: string | null; rotating: boolean }>(
      `select secret, coalesce(previous_until > to_timestamp($2::float8 / 1000), false) as rotating
       from webhook_endpoints where name = $1::text for update`,
      [name, options.nowMs],
    )
    if (!found) throw noEndpoint(name)
    if (found.secret === null)
      throw new AppError(
        'conflict',
        `The secret of ${name} is a setting; put the new one before the old one there, separated by a comma, and take the old one out when the receiver has changed.`,
      )
    if (found.rotating && !options.force)
      throw new AppError(
        'conflict',
        `${name} was rotated less than a day ago, and both keys sign; --force takes the old one away now.`,
      )
    const made = createWebhookSecret().reveal()
    await tx.execute(
      `update webhook_endpoints set secret = $2::text, previous_secret = secret,
              previous_until = to_timestamp($3::float8 / 1000) where name = $1::text`,
      [name, made, options.nowMs + rotationMs],
    )
    await insertAudit(tx, options, 'webhook.rotated', name)
    return made
  })

export type Target = { name: string; url: string; secrets: Secret[] }

/** Where to send, and the keys that sign now, the newest first. Undefined: disabled, paused, or removed meanwhile. */
export const selectTarget = async (
  db: Queryable,
  endpointId: number,
  nowMs: number,
  settingsSecrets: (name: string) => Secret[],
): Promise<Target | undefined> => {
  const [row] = await db.query<{ name: string; url: string; secret: string | null; previous: string | null }>(
    `select name, url, secret,
            case when previous_until > to_timestamp($2::float8 / 1000) then previous_secret end as previous
     from webhook_endpoints
     where endpoint_id = $1::bigint and state = 'active'
       and (paused_until is null or paused_until <= to_timestamp($2::float8 / 1000))`,
    [endpointId, nowMs],
  )
  if (!row) return undefined
  const stored = [row.secret, row.previous].flatMap((one) => (one === null ? [] : [secret(one)]))
  return { name: row.name, url: row.url, secrets: row.secret === null ? settingsSecrets(row.name) : stored }
}

/** The secrets of a setting: one, or during a rotation two, the new one first. Throws `setting_invalid`. */
export const secretsOfSetting = (setting: Secret): Secret[] => {
  const secrets = setting
    .reveal()
    .split(/[\s,]+/)
    .filter((one) => one !== '')
    .map(secret)
  for (const one of secrets) checkWebhookSecret(one)
  return secrets
}
