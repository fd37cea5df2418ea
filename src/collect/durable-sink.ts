import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import type { Log } from '../log.ts'
import { classifyDatabaseFault } from '../sqlstate.ts'
import { faultFields } from './fault-fields.ts'
import { type Group, type Outcome, rowsOf } from './group.ts'
import type { Observer } from './metrics.ts'
import type { Spool } from './spool.ts'
import type { Store } from './store.ts'

/** A commit that takes longer is answered from the spool; the database counts as away until a replay is quick again. */
export const commitMsMax = 2_000
/** Between two attempts to reach a database that is away. */
const retryMs = 1_000
/** Between two looks for orphans, and heartbeats. */
const tendMs = 5_000
/** Records that fail although the database answers are tried again after this. */
const stuckRetryMs = 5_000

export type DurableSink = {
  /** Makes a group durable: committed, or on the disk. Errors: `buffer_full`. */
  take(group: Group): Promise<Outcome[]>
  /** True from a failed commit until a replay or a ping succeeded. */
  away(): boolean
  /** Takes over what is left on the disk and goes on replaying until `stopped`. */
  run(stopped: AbortSignal): Promise<void>
}

/**
 * Decides between the database and the spool. A group goes to the spool whole, under the commit key that it had in the
 * database: whether an ambiguous COMMIT went through need not be known, the replay finds out.
 */
export const createDurableSink = (deps: {
  db: Db
  store: Store
  spool: Spool
  clock: Clock
  log: Log
  commitMsMax: number
  observer: Observer
}): DurableSink => {
  const { db, store, spool, clock, log } = deps
  let away = false

  const spoolGroup = async (group: Group): Promise<Outcome[]> => {
    await spool.append(group)
    deps.observer.spooled(group.submissions.reduce((sum, submission) => sum + rowsOf(submission), 0))
    return group.submissions.map(({ units }) => ({ duplicates: units.map(() => false), refused: [] }))
  }

  const goAway = (reason: string, cause?: unknown): void => {
    const somebodyMustLook = cause !== undefined && classifyDatabaseFault(cause) === 'alert'
    const fields = cause === undefined ? { reason } : faultFields(cause)
    if (somebodyMustLook) log.error(fields, 'the database refuses to work; events are spooled until it is mended')
    else if (!away) log.warn(fields, 'the database is away; events are spooled')
    away = true
  }

  const take = async (group: Group): Promise<Outcome[]> => {
    if (away) return spoolGroup(group)
    const stored = store.store(group, { spooled: false }).then(
      (outcomes) => ({ outcomes }),
      (error: unknown) => ({ error }),
    )
    const first = await within(clock, deps.commitMsMax, stored)
    if (first && 'outcomes' in first) return first.outcomes
    if (first) goAway('a commit failed', first.error)
    else goAway(`a commit took longer than ${deps.commitMsMax} ms`)
    try {
      return await spoolGroup(group)
    } catch (error) {
      // The disk cannot take it, but a slow commit may still end well.
      const last = first ?? (await stored)
      if ('outcomes' in last) return last.outcomes
      throw error
    }
  }

  /** Replays one record. A record that fails while the database answers is kept, and holds nobody up. */
  const replayOne = async (group: Group): Promise<'done' | 'keep'> => {
    const startedMs = clock.now()
    try {
      await store.store(group, { spooled: true })
      if (clock.now() - startedMs <= deps.commitMsMax) away = false
      return 'done'
    } catch (error) {
      await db.query('select 1')
      const fault = classifyDatabaseFault(error)
      if (fault === 'away' && isConnectionFault(error)) throw error
      if (fault !== 'alert') away = false
      log.error({ ...faultFields(error), commit_key: group.commitKey }, 'a spooled group cannot be stored; it is kept')
      return 'keep'
    }
  }

  const drain = async (stopped: AbortSignal): Promise<void> => {
    let stuckUntilMs = 0
    while (!stopped.aborted) {
      const { bytes } = spool.state()
      try {
        if (bytes > 0 && clock.now() >= stuckUntilMs) {
          await spool.replay(async (group) => {
            if (stopped.aborted) throw new Error('stopping')
            const result = await replayOne(group)
            if (result === 'keep') stuckUntilMs = clock.now() + stuckRetryMs
            return result
          })
          if (spool.state().bytes === 0) log.info({}, 'the spool is empty again')
          continue
        }
        if (away) {
          await db.query('select 1')
          away = false
        }
      } catch (error) {
        if (!stopped.aborted) log.debug(faultFields(error), 'the spool waits for the database')
      }
      await clock.sleep(retryMs, stopped)
    }
  }

  const tend = async (stopped: AbortSignal): Promise<void> => {
    while (!stopped.aborted) {
      await spool.tend().catch((error: Error) => log.warn({ err: error }, 'the spool folder cannot be tended'))
      await clock.sleep(tendMs, stopped)
    }
  }

  return {
    take,
    away: () => away,
    async run(stopped) {
      await Promise.all([drain(stopped), tend(stopped)])
    },
  }
}

/** What `first` resolves to, or undefined when it has not after `ms`. Leaves no timer behind. */
const within = async <T>(clock: Clock, ms: number, first: Promise<T>): Promise<T | undefined> => {
  const settled = new AbortController()
  void first.then(() => settled.abort())
  await clock.sleep(ms, settled.signal)
  return settled.signal.aborted ? first : undefined
}

/** The connection broke, rather than this group being refused over a sound one. */
const isConnectionFault = (error: unknown): boolean => {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string') return /^(08|57|E)/.test(code)
  return error instanceof Error && /connection|timeout|terminated/i.test(error.message)
}
