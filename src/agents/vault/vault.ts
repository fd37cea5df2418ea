import { isAppError, messageOf } from '../../errors.ts'
import type { Destination } from '../../storage/destination.ts'
import type { ForgetNotes } from '../forget-person.ts'
import { withVaultLock } from '../lock.ts'
import { followMoves, keepInDoubt, noticeEdits } from './follow-moves.ts'
import { forgetNotes } from './forget-notes.ts'
import { insertVaultRun, selectLastError, selectVaultStatus, trimVaultRuns, type VaultStatus } from './note-rows.ts'
import { pull, type Remote } from './pull.ts'
import { push } from './push.ts'
import type { VaultDeps, VaultOptions, VaultScope } from './scope.ts'
import { beginWork, type VaultReport, type Work } from './work.ts'
import { writeAll, writeSegments } from './write-all.ts'

export type Vault = {
  /** Writes what has news and delivers it. A destination that fails leaves the vault on this disk whole. */
  write(scope: VaultScope, options?: VaultOptions): Promise<VaultReport>
  /** Delivers what waits, and takes over what people changed at the destination. */
  deliver(options?: VaultOptions): Promise<VaultReport>
  /**
   * Removes all notes about these customers, here and at the destination, once `forgetRows` has removed what they are made
   * of. Throws when one of them cannot be done; `agents_busy`, before anything is done, while notes are being written.
   */
  forget: ForgetNotes
  status(): Promise<VaultStatus & { folder: string; destination: string }>
}

/** The notes of this node as a folder that Obsidian opens, and as objects beside the client's events. */
export const createVault = (deps: VaultDeps): Vault => {
  const { db, log, folder, destination } = deps
  const prefix = `vault/${deps.nodeId}/`

  const work = async <T>(signal: AbortSignal | undefined, act: (work: Work) => Promise<T>): Promise<T> =>
    withVaultLock(db, async (lost) => {
      const both = signal ? AbortSignal.any([signal, lost]) : lost
      return act(await beginWork({ db, log, folder, destination, prefix, signal: both }))
    })

  /** Asks the destination for what people changed there; undefined when it does not answer. */
  const pullQuietly = async (one: Work): Promise<Remote | undefined> => {
    const lost = await followMoves(one)
    try {
      return await pull(one, lost)
    } catch (error) {
      const nothing = failed(one, error)
      await keepInDoubt(one, lost)
      return nothing
    }
  }

  const failed = (one: Work, error: unknown): undefined => {
    if (!isAppError(error) || !error.code.startsWith('destination_')) throw error
    one.report.error = messageOf(error)
    log.warn({ err: error }, `notes are not delivered: ${messageOf(error)}`)
    return undefined
  }

  const pushQuietly = async (one: Work, remote: Remote | undefined, options: VaultOptions): Promise<void> => {
    if (!remote) return
    try {
      await push(one, remote, (done, total) => options.onProgress?.({ phase: 'delivery', done, total }))
    } catch (error) {
      failed(one, error)
    }
  }

  const end = async (one: Work): Promise<VaultReport> => {
    const { written, conflicts, taken, delivered, error } = one.report
    if (written + taken + delivered > 0 || error !== null || (await selectLastError(db)) !== null) {
      await insertVaultRun(db, { written, conflicts, taken, delivered, error })
      await trimVaultRuns(db)
    }
    return one.report
  }

  return {
    write: (scope, options = {}) =>
      work(options.signal, async (one) => {
        await folder.tidy()
        const remote = await pullQuietly(one)
        await writeAll(deps, one, scope, options)
        await noticeEdits(one)
        await pushQuietly(one, remote, options)
        return end(one)
      }),
    deliver: (options = {}) =>
      work(options.signal, async (one) => {
        const remote = await pullQuietly(one)
        await noticeEdits(one)
        await pushQuietly(one, remote, options)
        return end(one)
      }),
    forget: (customers, forgetRows) =>
      work(undefined, async (one) => {
        await forgetRows()
        await forgetNotes(one, customers, () => writeSegments(deps, one))
      }),
    async status() {
      return {
        ...(await selectVaultStatus(db, destination.identity)),
        folder: folder.root,
        destination: placeOf(destination, prefix),
      }
    },
  }
}

const placeOf = (destination: Destination, prefix: string): string => {
  const { kind, bucket, prefix: before, folder } = destination.describe()
  return kind === 's3' ? `s3://${[bucket, before].filter(Boolean).join('/')}/${prefix}` : `${folder}/${prefix}`
}
