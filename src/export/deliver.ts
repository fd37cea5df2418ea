import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Db, Session } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { backoffMs } from '../retry.ts'
import { classifyFault, type Destination, type Fault, type LocalFile } from '../storage/destination.ts'
import { announceDelivered, announceFailed } from './announce.ts'
import { type Delivery, markFailed, markVerified, selectDeliveries } from './deliveries.ts'
import type { EncodeContext } from './encode-context.ts'
import { ensureStaged } from './encode-part.ts'
import { exportMetrics } from './metrics.ts'
import { type Part, type PartObject, viewOf } from './parts.ts'
import { partFolder, stagedFile } from './staging.ts'

export type DeliverContext = { db: Db; clock: Clock; log: Log; encode: EncodeContext }

/** Where a part's delivery to one destination ended: all of it verified, or why not. */
export type DeliverOutcome = 'verified' | 'quarantined' | 'retry' | 'parked'

const retryDelays = { firstMs: 2_000, maxMs: 300_000 }
/** A destination that waits for its owner is tried again this often, and at every requested run. */
const probeMs = 15 * 60_000

/**
 * Delivers one part to one destination: its objects, each verified by what is read back, then its manifest, which is the
 * commit. Stops at the first failure and records it: class, message, when to try again. Everything here may be repeated.
 */
export const deliverPart = async (
  context: DeliverContext,
  session: Session,
  destination: Destination,
  part: Part,
): Promise<DeliverOutcome> => {
  // "Verified" was said of another place, if the destination was changed meanwhile: a manifest must not stand where its
  // objects do not.
  const deliveries = await selectDeliveries(context.db, part.partId, part.revision, destination.name)
  let objects: PartObject[] | undefined
  for (const delivery of deliveries) {
    if (delivery.state === 'verified' && delivery.identity === destination.identity) continue
    if (delivery.state === 'quarantined') return 'quarantined'
    try {
      if (delivery.objectId !== null)
        objects ??= await ensureStaged(context.encode, session, part, viewOf(part, destination.name))
      const { key, file } = await fileOf(context, part, objects ?? [], delivery, destination.name)
      // A revision takes the place of what was delivered, and only under the keys of that.
      const isRewrite = part.revision > 0 && delivery.objectId !== null
      const evidence = await (isRewrite ? destination.replace(key, file) : destination.create(key, file))
      exportMetrics.attempted(destination.name, 'verified', file.bytes)
      await context.db.transaction(async (tx) => {
        const marked = await markVerified(tx, delivery.deliveryId, destination.identity, evidence)
        if (marked !== 1) throw new AppError('internal', `Delivery ${delivery.deliveryId} is gone from the database.`)
        // The manifest is the last: the part is whole.
        if (delivery.objectId === null)
          await announceDelivered(tx, context.encode, destination, part, context.clock.now())
      })
    } catch (error) {
      return recordFailure(context, destination, part, delivery, error)
    }
  }
  return 'verified'
}

/** Records that a destination is not to be written now: it did not answer for its head, or belongs to another client. */
export const refusePart = async (
  context: DeliverContext,
  destination: Destination,
  part: Part,
  error: Error,
): Promise<DeliverOutcome> => {
  const deliveries = await selectDeliveries(context.db, part.partId, part.revision, destination.name)
  const open = deliveries.find((delivery) => delivery.state === 'pending' || delivery.state === 'parked')
  return open ? recordFailure(context, destination, part, open, error) : 'retry'
}

const recordFailure = async (
  context: DeliverContext,
  destination: Destination,
  part: Part,
  delivery: Delivery,
  error: unknown,
): Promise<Fault> => {
  const fault = classifyFault(error)
  exportMetrics.attempted(destination.name, fault, 0)
  const atMs = context.clock.now()
  const message = messageOf(error)
  const nextMs = nextAttempt(atMs, fault, delivery.attempts)
  await context.db.transaction(async (tx) => {
    await markFailed(tx, delivery.deliveryId, destination.identity, fault, message, nextMs)
    await announceFailed(tx, context.encode, destination, part, { delivery, fault, message, atMs })
  })
  context.log.warn(
    { destination: destination.name, part: part.seq, fault, attempts: delivery.attempts + 1, err: error },
    'delivery failed',
  )
  return fault
}

const nextAttempt = (nowMs: number, fault: Fault, attempts: number): number | null => {
  if (fault === 'quarantined') return null
  return nowMs + (fault === 'parked' ? probeMs : backoffMs(attempts, retryDelays))
}

const fileOf = async (
  context: DeliverContext,
  part: Part,
  objects: readonly PartObject[],
  delivery: Delivery,
  destination: string,
): Promise<{ key: string; file: LocalFile }> => {
  const staging = context.encode.stagingFolder
  if (delivery.objectId === null) return manifestFile(staging, part, destination)
  const object = objects.find((one) => one.objectId === delivery.objectId)
  if (!object) throw new AppError('internal', `Delivery ${delivery.deliveryId} names no object of its part.`)
  const { key, bytes, sha256 } = object
  return { key, file: { path: stagedFile(staging, part.partId, object), bytes, sha256 } }
}

const manifestFile = async (
  staging: string,
  part: Part,
  destination: string,
): Promise<{ key: string; file: LocalFile }> => {
  if (part.manifest === null || part.manifestSha256 === null || part.manifestKey === null)
    throw new AppError('internal', `Part ${part.partId} has no manifest.`)
  const folder = partFolder(staging, part.partId)
  await mkdir(folder, { recursive: true })
  // A file for each destination: they deliver at the same time.
  const place = path.join(folder, `manifest-${destination}.json`)
  await writeFile(place, part.manifest)
  return {
    key: part.manifestKey,
    file: { path: place, bytes: Buffer.byteLength(part.manifest), sha256: part.manifestSha256 },
  }
}
