import { pageId, randomHex, wallMs } from './host.ts'
import { itemKeys, readItem, removeItem, writeItem } from './storage.ts'

/** Events that travel together, as lines of JSON, under an id that stays the same through all retries. */
export type Batch = {
  id: string
  head: string
  lines: string[]
  /** While a request carries it. */
  busy?: Promise<void> | undefined
  /** While it lies on the device, too. */
  kept?: boolean
  leasedMs?: number
}

/** What may wait on a device: this many batches (of at most 20 KB, or of one event), for three days. The oldest go first. */
export const keptBatchesMax = 30
const keptMs = 3 * 24 * 3600 * 1000
/** A lease further away than this comes from a clock that was set back. */
const leaseMsMax = 900_000

/** The id is the key it is kept under, and sorts by age. */
const idStart = 'evo_b'
export const batchId = (): string => `${idStart}${wallMs()}_${randomHex(8)}`

/**
 * Keeps a batch on the device until the collector has answered, leased to this page for that long: until then no
 * other tab sends it.
 */
export const keepBatch = (batch: Batch, leaseMs: number): void => {
  itemKeys(idStart)
    .slice(0, 1 - keptBatchesMax)
    .forEach(removeItem)
  batch.kept = writeItem(batch.id, [wallMs() + leaseMs, pageId, batch.head, ...batch.lines].join('\n'))
}

/** The batches kept on the device, the oldest first. */
export const keptIds = (): string[] => itemKeys(idStart)

/** A batch kept on the device, with the milliseconds for which it is still leased; one that is too old is removed instead. */
export const readBatch = (id: string): Batch | undefined => {
  const [until, , head, ...lines] = readItem(id).split('\n') as [string, string, string]
  const leasedMs = +until - wallMs()
  if (wallMs() - +id.slice(5, 18) < keptMs) return { id, head, lines, leasedMs: leasedMs < leaseMsMax ? leasedMs : 0 }
  removeItem(id)
  return undefined
}

/** Whether the batch is still this page's to send: of two tabs that claimed at once the last one holds it. */
export const isOurs = ({ id, kept }: Batch): boolean => !kept || readItem(id).split('\n')[1] === pageId
