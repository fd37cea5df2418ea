import type { Tx } from '../db.ts'
import { insertOutbox } from '../outbox.ts'
import type { Destination, Fault } from '../storage/destination.ts'
import type { Delivery } from './deliveries.ts'
import type { Part } from './parts.ts'

export type Who = { clientId: string; nodeId: string }

const about = (who: Who, destination: Destination, part: Part) => ({
  client: who.clientId,
  node: who.nodeId,
  destination: destination.name,
  epoch: part.epoch,
  part: part.seq,
  revision: part.revision,
  events: part.events,
})
const keyOf = (who: Who, destination: Destination, part: Part): string =>
  `${who.nodeId}/${part.epoch}/${part.seq}/${part.revision}/${destination.name}`

/** A part is whole in a destination. Carries the manifest's SHA-256: an anchor of the chain outside of the bucket. */
export const announceDelivered = (
  tx: Pick<Tx, 'execute'>,
  who: Who,
  destination: Destination,
  part: Part,
  atMs: number,
): Promise<string> =>
  insertOutbox(tx, {
    ...who,
    type: 'export.delivered',
    key: keyOf(who, destination, part),
    occurredMs: atMs,
    data: {
      ...about(who, destination, part),
      pageviews: part.pageviews,
      manifest_key: part.manifestKey,
      manifest_sha256: part.manifestSha256,
      received_from: part.receivedMin,
      received_to: part.receivedMax,
    },
  })

/** A delivery failed, for the first time or in a new way: waiting for its owner is `export.parked`. */
export const announceFailed = async (
  tx: Pick<Tx, 'execute'>,
  who: Who,
  destination: Destination,
  part: Part,
  failure: { delivery: Delivery; fault: Fault; message: string; atMs: number },
): Promise<void> => {
  const { delivery, fault, message, atMs } = failure
  await insertOutbox(tx, {
    ...who,
    type: fault === 'parked' ? 'export.parked' : 'export.failed',
    // Once for each delivery and class: retries of the same failure are no news.
    key: `${keyOf(who, destination, part)}/${delivery.deliveryId}/${fault}`,
    occurredMs: atMs,
    data: {
      ...about(who, destination, part),
      ...{ fault, reason: message.slice(0, 500) },
      text: `${who.clientId}/${who.nodeId}: part ${part.seq} could not be delivered to the ${destination.name} destination (${fault}): ${message.slice(0, 300)}`,
    },
  })
}
