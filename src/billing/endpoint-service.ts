import { type Actor, insertAudit } from '../audit.ts'
import type { Db, Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import { insertOutbox } from '../outbox.ts'
import { noEndpoint, settingsNames } from './endpoints.ts'
import { disableEndpoint } from './webhook-deliveries.ts'

type Row = { id: number; state: 'active' | 'disabled'; isSetting: boolean; reason: string | null }

const lockEndpoint = async (tx: Tx, name: string): Promise<Row> => {
  const [row] = await tx.query<Row>(
    `select endpoint_id as id, state, secret is null as "isSetting", disabled_reason as reason
     from webhook_endpoints where name = $1::text for update`,
    [name],
  )
  if (row) return row
  throw noEndpoint(name)
}

export type Client = { clientId: string; nodeId: string }

/**
 * Takes a disabled endpoint into service again, and says so to the others (`alert.cleared`); what was cancelled meanwhile
 * is sent by a replay. One that is in service forgets its failures and pauses. Throws `not_found`.
 */
export const enableEndpoint = (db: Db, name: string, actor: Actor, client: Client): Promise<void> =>
  db.transaction(async (tx) => {
    const { id, state } = await lockEndpoint(tx, name)
    await tx.execute(
      `update webhook_endpoints set state = 'active', disabled_reason = null, failing_since = null, paused_until = null
       where endpoint_id = $1::bigint`,
      [id],
    )
    await insertAudit(tx, actor, 'webhook.enabled', name)
    if (state === 'active') return
    await insertOutbox(tx, {
      ...{ ...client, type: 'alert.cleared', occurredMs: actor.nowMs },
      key: `webhook_disabled/${client.nodeId}/${name}/${actor.nowMs}`,
      data: { alert: 'webhook_disabled', endpoint: name },
    })
  })

/** Takes an endpoint out of service and gives up what waits for it. Throws `not_found`. */
export const disableByHand = (db: Db, name: string, actor: Actor): Promise<void> =>
  db.transaction(async (tx) => {
    const { id } = await lockEndpoint(tx, name)
    await disableEndpoint(tx, id, `by ${actor.by}`, actor.nowMs)
    await insertAudit(tx, actor, 'webhook.disabled', name)
  })

/** Forgets an endpoint and what waits for it. Throws `not_found`, and `conflict` for one that the settings name. */
export const removeEndpoint = (db: Db, name: string, actor: Actor): Promise<void> =>
  db.transaction(async (tx) => {
    const { id, isSetting, state } = await lockEndpoint(tx, name)
    if (isSetting && settingsNames.includes(name) && state === 'active')
      throw new AppError('conflict', `${name} is in the settings; take it out there, or disable it.`)
    await tx.execute('delete from webhook_endpoints where endpoint_id = $1::bigint', [id])
    await insertAudit(tx, actor, 'webhook.removed', name)
  })
