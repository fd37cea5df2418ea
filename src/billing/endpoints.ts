import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { type OutboxEventType, outboxEventTypes } from '../outbox.ts'
import { type Secret, secret } from '../secret.ts'
import { checkWebhookSecret, createWebhookSecret } from './signature.ts'

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
  pending: number
  exhausted: number
  lastAttempt: { at: string; status: number | null; error: string | null } | null
}

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
            (select count(*) from webhook_deliveries d where d.endpoint_id = e.endpoint_id and state = 'pending') as pending,
            (select count(*) from webhook_deliveries d where d.endpoint_id = e.endpoint_id and state = 'exhausted') as exhausted,
            (select jsonb_build_object('at', at, 'status', status, 'error', error) from webhook_attempts a
             where a.endpoint_id = e.endpoint_id order by attempt_id desc limit 1) as "lastAttempt"
     from webhook_endpoints e order by endpoint_id`,
    [nowMs],
  )

/** Adds an endpoint with a secret of its own, which is answered here and never shown again. */
export const addEndpoint = (
  db: Db,
  added: { name: string; url: string; eventTypes: readonly string[] | null; nowMs: number },
): Promise<{ endpointId: number; secret: string }> =>
  db.transaction(async (tx) => {
    const eventTypes = added.eventTypes?.map(checkEventType) ?? null
    if (!URL.canParse(added.url)) throw new AppError('usage_invalid', `${added.url} is not an address.`)
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
    return { endpointId: row?.id ?? 0, secret: made }
  })

const checkEventType = (type: string): OutboxEventType => {
  const found = outboxEventTypes.find((one) => one === type)
  if (found) return found
  throw new AppError('usage_invalid', `There is no event ${type}; there are: ${outboxEventTypes.join(', ')}.`)
}

/** An endpoint that the settings name: its secret stays there. Another address is a new beginning. */
export const setSettingsEndpoint = async (
  db: Queryable,
  endpoint: { name: string; url: string | undefined; eventTypes: readonly OutboxEventType[] | null; nowMs: number },
): Promise<void> => {
  if (endpoint.url === undefined) {
    await db.execute(
      `update webhook_endpoints set state = 'disabled', disabled_reason = 'not in the settings any more'
       where name = $1::text and state = 'active'`,
      [endpoint.name],
    )
    return
  }
  await db.execute(
    `insert into webhook_endpoints (name, url, event_types, created_at)
     values ($1::text, $2::text, $3::text[], to_timestamp($4::float8 / 1000))
     on conflict (name) do update set url = excluded.url, event_types = excluded.event_types,
       state = 'active', disabled_reason = null, failing_since = null, paused_until = null
     where webhook_endpoints.url <> excluded.url
        or webhook_endpoints.disabled_reason = 'not in the settings any more'`,
    [endpoint.name, endpoint.url, endpoint.eventTypes, endpoint.nowMs],
  )
}

/**
 * Gives an endpoint a new secret; the old one signs, too, for a day. Answers the new one, once. Throws `conflict` while a
 * rotation is under way (a second one would take the key away that receivers still use), unless forced.
 */
export const rotateSecret = (db: Db, name: string, options: { nowMs: number; force: boolean }): Promise<string> =>
  db.transaction(async (tx) => {
    const [found] = await tx.query<{ secret: string | null; rotating: boolean }>(
      `select secret, coalesce(previous_until > to_timestamp($2::float8 / 1000), false) as rotating
       from webhook_endpoints where name = $1::text for update`,
      [name, options.nowMs],
    )
    if (!found) throw new AppError('not_found', `There is no endpoint ${name}; see: evothesis webhooks list`)
    if (found.secret === null)
      throw new AppError(
        'conflict',
        `The secret of ${name} is a setting; put the new one before the old one there, separated by a comma, and take the old one out when the receiver has changed.`,
      )
    if (found.rotating && !options.force)
      throw new AppError(
        'conflict',
        `${name} is being rotated since less than a day; --force takes the old key away now.`,
      )
    const made = createWebhookSecret().reveal()
    await tx.execute(
      `update webhook_endpoints set secret = $2::text, previous_secret = secret,
              previous_until = to_timestamp($3::float8 / 1000) where name = $1::text`,
      [name, made, options.nowMs + rotationMs],
    )
    return made
  })

/** Takes a disabled endpoint into service again; what was cancelled meanwhile is sent by a replay. */
export const enableEndpoint = async (db: Queryable, name: string): Promise<void> => {
  const changed = await db.execute(
    `update webhook_endpoints set state = 'active', disabled_reason = null, failing_since = null, paused_until = null
     where name = $1::text`,
    [name],
  )
  if (changed === 0) throw new AppError('not_found', `There is no endpoint ${name}; see: evothesis webhooks list`)
}

export const removeEndpoint = async (db: Queryable, name: string): Promise<void> => {
  const changed = await db.execute('delete from webhook_endpoints where name = $1::text', [name])
  if (changed === 0) throw new AppError('not_found', `There is no endpoint ${name}; see: evothesis webhooks list`)
}

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
