import { maySend } from './consent.ts'
import { doc, hostFetch, later, steadyMs } from './host.ts'
import { textOption } from './options.ts'
import { type Batch, batchId, isOurs, keepBatch, keptBatchesMax, keptIds, readBatch } from './outbox.ts'
import { removeItem } from './storage.ts'

/** What browsers let a page send beyond its own end is 64 KB, in all; some is left to others on the page. */
const inFlightBytesMax = 60 * 1024
/** Chromium refuses a tenth keepalive request. */
const inFlightMax = 9
/** A request without an answer is given up after this, and sent again under the same id. */
const answerMs = 30_000
/** Leases: while a page may still hear the answer; and for a claim, or after it closed, until its requests have ended. */
const leaseMs = 60_000
const leaseAfterExitMs = 5000
/** Time for a rival tab to overwrite a claim. */
const claimMs = 100
/** Without a lease to wait for, the device is looked at again after this. */
const lookAgainMs = 600_000
/** The first wait after a failure doubles up to the last. */
const backoffMs = 1000
const backoffMsMax = 300_000

let waiting: Batch[] = []
let failures = 0
/** Not before this moment, on the clock that never jumps. */
let notBeforeMs = 0
/** For how long a batch that failed is leased, after the wait: a page that has closed must not hold it up. */
let heldMs = leaseMs

/** Where nothing can be stored and nothing be sent, memory keeps as much as a device would. */
export const addBatch = (head: string, lines: string[]): void => {
  waiting[waiting.length] = { id: batchId(), head, lines }
  if (waiting.length > keptBatchesMax) waiting.shift()
}

export const dropBatches = (): void => {
  waiting = []
}

export const isBackingOff = (): boolean => steadyMs() < notBeforeMs

/** Bytes of its request: events are ASCII, and ids and punctuation take this much. */
const bytesOf = ({ head, lines }: Batch): number => `${lines}${head}`.length + 150

/**
 * Sends what may be sent now, the oldest first; what does not fit waits for an answer, then for the next visit. What another
 * tab took over meanwhile, because this one was frozen longer than its lease, is no business of this one any more.
 */
export const pump = (): void => {
  waiting = waiting.filter(isOurs)
  let count = 0
  let bytes = 0
  for (const batch of waiting) {
    bytes += bytesOf(batch)
    if (isBackingOff() || ++count > inFlightMax || bytes > inFlightBytesMax) return
    if (!batch.busy) batch.busy = send(batch)
  }
}

/**
 * An answer decides: accepted, too large (two halves, under new ids), refused for good, or to be tried again. Sent as
 * `text/plain`, so that no preflight is needed; `sentAt` is the time of this attempt, for clocks that are wrong.
 */
const send = async (batch: Batch): Promise<void> => {
  const { id, head, lines } = batch
  const url = textOption('endpoint')
  const body = `{"eventType":"batch","batchId":"${id}","sentAt":"${new Date().toISOString()}",${head},"events":[${lines}]}`
  let status = 0
  let askedMs = 0
  let request: Promise<Response> | undefined
  try {
    const signal = AbortSignal.timeout?.(answerMs)
    request = hostFetch(url, { method: 'POST', body, keepalive: true, credentials: 'omit', signal })
    const answer = await request
    status = answer.status
    askedMs = +(answer.headers.get('retry-after') as string) * 1000 || 0
  } catch {
    // A page that is going away, or has no fetch that works, may still be able to hand it over; no answer is heard.
    if ((!request || doc.hidden) && navigator.sendBeacon?.(url, body) && !request) status = 200
  }
  batch.busy = undefined
  if (status >= 200 && status < 500 && status !== 408 && status !== 429) {
    failures = 0
    waiting = waiting.filter((other) => other !== batch)
    removeItem(id)
    const half = lines.length >> 1
    if (status === 413 && half) {
      addBatch(head, lines.slice(0, half))
      addBatch(head, lines.slice(half))
    }
  } else {
    const delayMs = Math.max(askedMs, Math.min(backoffMs * 2 ** failures++, backoffMsMax) * (1 + Math.random()))
    notBeforeMs = Math.max(notBeforeMs, steadyMs() + delayMs)
    if (isOurs(batch) && waiting.includes(batch)) keepBatch(batch, delayMs + heldMs)
    later(pump, delayMs + 1)
  }
  pump()
}

/** Resolves when no request is under way any more: true when all is accepted, false when some waits for a better time. */
export const whenDelivered = async (): Promise<boolean> => {
  while (waiting.some(busyOf)) await Promise.all(waiting.map(busyOf))
  return !waiting.length
}
const busyOf = ({ busy }: Batch) => busy

/**
 * Keeps on the device all that is not accepted yet, for the next visit or for other tabs. After an exit nobody
 * here hears the answer, so the next visit sends it again, and the collector knows the batch by its id.
 */
export const keepBatches = (exit: boolean): void => {
  heldMs = exit ? leaseAfterExitMs : leaseMs
  for (const batch of waiting) keepBatch(batch, exit && !batch.busy ? 0 : heldMs)
}

/**
 * A page that comes back from the bfcache will not hear the answers to what it sent before, and others may have taken over
 * the rest: it lets go of all that is kept on the device, and claims it anew like any page.
 */
export const resume = (): void => {
  waiting = waiting.filter(({ kept }) => !kept)
  recover()
}

/**
 * Takes over the batches that no page is sending. A claim is sure when no rival tab has overwritten it for a while, and only
 * then is anything of it sent. localStorage has no lock: a tab that is held up between reading and writing for longer may
 * still send the same batch, and the collector, which knows its id, stores it once.
 */
export const recover = (): void => {
  if (!maySend()) return
  let nextMs = lookAgainMs
  for (const id of keptIds()) {
    const found = waiting.some((batch) => batch.id === id) ? undefined : readBatch(id)
    if (!found) continue
    const { leasedMs = 0 } = found
    if (leasedMs > 0) nextMs = Math.min(nextMs, leasedMs)
    else {
      keepBatch(found, leaseAfterExitMs)
      later(() => {
        if (!isOurs(found)) return
        keepBatch(found, heldMs)
        waiting[waiting.length] = found
        pump()
      }, claimMs)
    }
  }
  later(recover, nextMs)
}
