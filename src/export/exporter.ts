import { mkdir } from 'node:fs/promises'
import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import type { Log } from '../log.ts'
import { createSerial } from '../serial.ts'
import type { Destination } from '../storage/destination.ts'
import { createDuckDb } from '../storage/duckdb.ts'
import { producerVersion, schemaVersion } from '../types.ts'
import { partOfObject } from './chain.ts'
import { claimPart, type PartTerms, selectNewestBatch } from './claim.ts'
import { type DeliverContext, deliverPart, refusePart } from './deliver.ts'
import { makeDue, selectOutcome, selectUnneededFiles } from './deliveries.ts'
import type { EncodeContext } from './encode-context.ts'
import { encodeStaged, type StagedPart, stagePart } from './encode-part.ts'
import { applyErasures, finishErasures } from './erase.ts'
import { createGate } from './gate.ts'
import { checkHeads } from './heads.ts'
import { withExporterLock } from './lock.ts'
import { exportMetrics } from './metrics.ts'
import { createPace } from './pace.ts'
import { selectBacklog, selectNextUndelivered, selectUnencoded } from './parts.ts'
import type { Rules } from './rules.ts'
import { dropStaged, stagedParts } from './staging.ts'

export type ExporterOptions = {
  clientId: string
  nodeId: string
  stagingFolder: string
  stagingBytesMax: number
  formats: PartTerms['formats']
  compression: PartTerms['compression']
  partRowsMax: number
  partBytesMax: number
  encodeMemoryMb: number
  encodeThreads: number
  rules: Rules | null
  /** The keyed hash that rules use. */
  hash(value: string): string
}
export type ExporterDeps = {
  db: Db
  clock: Clock
  log: Log
  destinations: readonly Destination[]
  options: ExporterOptions
}

type Wanted = { probe: boolean; claim: boolean }
export type RunProgress = { rows: number; rowsTotal: number; parts: number; delivered: Record<string, number> }
export type RunReport = {
  parts: number
  events: number
  /** Why nothing was claimed, if a destination's state forbids it; null otherwise. */
  held: string | null
  destinations: Awaited<ReturnType<typeof selectOutcome>>
}

export type Exporter = {
  /**
   * One run: claims the unclaimed batches of its beginning into parts, encodes them, delivers every open delivery once. Resolves when each
   * of those is verified, parked, quarantined or has failed once. A run that is asked for during another one starts after
   * it, so that events acknowledged before the call are in it. Without `claim` it only finishes parts that are there;
   * with `probe` it also tries what waits for a later time. Throws `export_busy` when another process exports.
   */
  run(options?: { probe?: boolean; claim?: boolean; onProgress?: (progress: RunProgress) => void }): Promise<RunReport>
  /** What the present run has done so far; undefined between runs. */
  progress(): RunProgress | undefined
  /** Lets the present step end, then stops. */
  close(): Promise<void>
}

export const createExporter = (deps: ExporterDeps): Exporter => {
  const { db, clock, log, destinations, options } = deps
  const oneRunAtATime = createSerial()
  /** The run that was asked for and has not begun; who asks meanwhile joins it. */
  let waiting: { wanted: Wanted; report: Promise<RunReport> } | undefined
  let current: RunProgress | undefined
  let running: Promise<unknown> = Promise.resolve()
  const stopping = new AbortController()
  let swept = false

  const runOnce = ({ probe, claim }: Wanted, onProgress: (progress: RunProgress) => void): Promise<RunReport> =>
    withExporterLock(db, async (session, lost) => {
      const stopped = AbortSignal.any([lost, stopping.signal])
      const duckDb = createDuckDb()
      const encode: EncodeContext = {
        db,
        duckDb,
        clientId: options.clientId,
        nodeId: options.nodeId,
        stagingFolder: options.stagingFolder,
        destinations,
        memoryMb: options.encodeMemoryMb,
        threads: options.encodeThreads,
        hash: options.hash,
        paced: createPace(db, clock),
        copying: createSerial(),
        encoding: createSerial(),
      }
      const deliver: DeliverContext = { db, clock, log, encode }
      const progress: RunProgress = { rows: 0, rowsTotal: await selectBacklog(db), parts: 0, delivered: {} }
      const touched = new Set<number>()
      const encoded = createGate()
      const report = () => {
        current = progress
        onProgress(progress)
      }
      report()
      const { partRowsMax: rowsMax, partBytesMax: bytesMax } = options
      const batchMax = await selectNewestBatch(db)
      if (probe) await makeDue(db)
      if (!swept) await sweepUploads(deps)
      swept = true
      await mkdir(options.stagingFolder, { recursive: true })

      let heads = await checkHeads(deps)
      const erasing = { db, clock, log, encode, stopped }
      await applyErasures(erasing, session)

      /** Parts whose files are read now, each as often as destinations do. */
      const delivering: number[] = []
      let dropping: Promise<unknown> = Promise.resolve()
      const dropUnneeded = (): Promise<number> => {
        const dropped = drop()
        dropping = dropped.catch(() => undefined)
        return dropped
      }
      const drop = async (): Promise<number> => {
        const staged = await stagedParts(options.stagingFolder)
        for (const partId of await selectUnneededFiles(db, [...staged.keys()])) {
          // A parked destination that is tried again may have become well, and wants them.
          if (delivering.includes(partId)) continue
          await dropStaged(options.stagingFolder, partId)
          staged.delete(partId)
        }
        return [...staged.values()].reduce((sum, bytes) => sum + bytes, 0)
      }

      /** The part that is encoded while the rows of the next one are copied out. */
      let encoding: { partId: number; done: Promise<void> } | undefined
      const encodeBehind = (staged: StagedPart): void => {
        const { part } = staged
        const done = encodeStaged(encode, staged).then(() => {
          touched.add(part.partId)
          progress.rows += part.events
          progress.parts++
          exportMetrics.encoded(part.events - part.erased)
          report()
          encoded.open()
        })
        // Its failure is that of the next step, or of the last.
        done.catch(() => undefined)
        encoding = { partId: part.partId, done }
      }

      const encodeAll = async (): Promise<{ events: number; held: string | null }> => {
        let events = 0
        const stopWith = (held: string | null) => ({ events, held })
        try {
          for (;;) {
            for (const part of await selectUnencoded(session)) {
              if (part.partId === encoding?.partId) continue
              if (stopped.aborted) return stopWith('the exporter is stopping')
              const staged = await stagePart(encode, session, part)
              await encoding?.done
              encodeBehind(staged)
              events += part.events
            }
            if (!claim || stopped.aborted) return stopWith(null)
            // Files that cannot be delivered now must not fill the disk; the events are safe in the buffer.
            if ((await dropUnneeded()) > options.stagingBytesMax) return stopWith('the staging folder is full')
            heads = await checkHeads(deps)
            if (heads.held !== null) return stopWith(heads.held)
            const terms = termsOf(deps)
            const partId = await claimPart(db, terms, { rowsMax, bytesMax, batchMax })
            if (partId !== undefined) continue
            await encoding?.done
            return stopWith(null)
          }
        } finally {
          // Also where the loop failed: nothing is left running, and a failure of the last part is told.
          await encoding?.done.finally(() => encoded.finish())
          encoded.finish()
        }
      }

      const deliverAll = async (destination: Destination): Promise<void> => {
        let after = 0
        for (;;) {
          const seen = encoded.count()
          const part = stopped.aborted ? undefined : await selectNextUndelivered(db, destination.name, after)
          if (!part) {
            if (stopped.aborted || !(await encoded.waitBeyond(seen))) return
            continue
          }
          touched.add(part.partId)
          if (part.dueMs !== null && part.dueMs > clock.now()) return
          const refusal = heads.failures.get(destination.name)
          await dropping
          delivering.push(part.partId)
          const outcome = await (refusal
            ? refusePart(deliver, destination, part, refusal)
            : deliverPart(deliver, session, destination, part)
          ).finally(() => delivering.splice(delivering.indexOf(part.partId), 1))
          if (outcome === 'retry' || outcome === 'parked') return
          if (outcome === 'verified')
            progress.delivered[destination.name] = (progress.delivered[destination.name] ?? 0) + part.events
          report()
          after = part.link
        }
      }

      try {
        // What an earlier run delivered may be what fills the disk now.
        await dropUnneeded()
        // All loops end before the run does, also when one of them fails.
        const [made, ...delivered] = await Promise.allSettled([encodeAll(), ...destinations.map(deliverAll)])
        // Also where it failed, on a full disk, say: what was delivered meanwhile makes room for the next run.
        await dropUnneeded().catch((error: Error) => {
          if (made.status === 'fulfilled') throw error
        })
        if (made.status === 'rejected') throw made.reason
        for (const one of delivered) if (one.status === 'rejected') throw one.reason
        await finishErasures(erasing)
        const partIds = [...touched]
        await dropUnneeded()
        return { parts: progress.parts, ...made.value, destinations: await selectOutcome(db, partIds) }
      } finally {
        current = undefined
        duckDb.close()
      }
    })

  const run: Exporter['run'] = ({ probe = false, claim = true, onProgress = () => {} } = {}) => {
    if (waiting) {
      waiting.wanted.probe ||= probe
      waiting.wanted.claim ||= claim
      return waiting.report
    }
    const wanted: Wanted = { probe, claim }
    const report = oneRunAtATime(() => {
      waiting = undefined
      return runOnce(wanted, onProgress)
    })
    waiting = { wanted, report }
    running = report.catch(() => undefined)
    return report
  }

  return {
    run,
    progress: () => current,
    async close() {
      stopping.abort()
      await running
    },
  }
}

/** At the first run of a process, under the lock: nobody else uploads for this node. */
const sweepUploads = async ({ destinations, log, options }: ExporterDeps): Promise<void> => {
  await Promise.all(
    destinations.map(async (destination) => {
      try {
        const swept = await destination.sweep((key) => partOfObject(key)?.node === options.nodeId)
        if (swept > 0) log.warn({ destination: destination.name, swept }, 'dangling uploads aborted')
      } catch (error) {
        log.info({ destination: destination.name, err: error }, 'dangling uploads could not be listed')
      }
    }),
  )
}

const termsOf = ({ clock, destinations, options }: ExporterDeps): PartTerms => ({
  producer: producerVersion,
  schemaVersion,
  formats: options.formats,
  compression: options.compression,
  destinations: destinations.map((destination) => destination.name),
  createdMs: clock.now(),
  rules: options.rules,
})
