import { pageId, randomHex, wallMs } from './host.ts'
import { itemKeys, readItem, removeItem, writeItem } from './storage.ts'

/** Events that travel together, as lines of JSON, under an id that stays the same through all retries. */
export type Batch = { id: string; head: string; lines: string[]; busy?: Promise<void> | undefined; kept?: boolean }

/** What may wait on a device: this many batches (of at most 20 KB, or of one event), for three days. The oldest go first. */
export const keptBatchesMax = 30
const keptMs = 3 * 24 * 3600 * 1000
/** A lease further away than this comes from a clock that was set back. */
const leaseMsMax = 900_000

/** Without a lease to wait for, the device is looked at again after this. */
const lookAgainMs = 600_000

/** The id is the key it is kept under, and sorts by age. */
const idStart = 'evo_b'
export const batchId = (): string => `${idStart}${wallMs()}_${randomHex(8)}`

/**
 * Keeps a batch on the device until the collector has answered, leased to this page for that long: until then no
 * other tab sends it.
 */
export const keepBatch = (batch: Batch, leaseMs: number): void => {
  removeItem(batch.id)
  itemKeys(idStart)
    .slice(0, 1 - keptBatchesMax)
    .forEach(removeItem)
  batch.kept = writeItem(batch.id, [wallMs() + leaseMs, pageId, batch.head, ...batch.lines].join('\n'))
}

/**
 * Leases to this page every batch that nobody is sending, and hands it to `take`. Answers in how many milliseconds the
 * next lease ends.
 */
export const claimBatches = (known: readonly Batch[], leaseMs: number, take: (batch: Batch) => void): number => {
  let nextMs = lookAgainMs
  for (const id of itemKeys(idStart)) {
    const [until, , head, ...lines] = readItem(id).split('\n') as [string, string, string]
    const waitMs = +until - wallMs()
    if (known.some((batch) => batch.id === id)) continue
    if (wallMs() - +id.slice(5, 18) > keptMs) removeItem(id)
    else if (waitMs > 0 && waitMs < leaseMsMax) nextMs = Math.min(nextMs, waitMs)
    else {
      const batch = { id, head, lines }
      keepBatch(batch, leaseMs)
      take(batch)
    }
  }
  return nextMs
}

/** Whether the batch is still this page's to send: of two tabs that claimed at once the last one holds it. */
export const isOurs = ({ id, kept }: Batch): boolean => !kept || readItem(id).split('\n')[1] === pageId
