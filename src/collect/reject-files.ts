import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '../db.ts'

/** Any number; the same in every process that works on the rejects of this database. */
const rejectFilesLock = 7_261_011

/**
 * Runs `work` while nobody else delivers or rewrites files of rejects: an erasure that comes while a file is on its way
 * would find the person neither in the database nor in the destination. Throws when the other takes too long (55P03).
 */
export const withRejectFiles = async <T>(db: Db, work: () => Promise<T>): Promise<T> => {
  const session = await db.session()
  try {
    await session.query('select pg_advisory_lock($1::bigint)', [rejectFilesLock])
    return await work()
  } finally {
    await session.query('select pg_advisory_unlock_all()').catch(() => undefined)
    session.release()
  }
}

/** Removes files that a killed process left in the staging folder: what is in them is erased nowhere else. */
export const removeLeft = async (stagingFolder: string, prefix: string): Promise<void> => {
  for (const name of await readdir(stagingFolder).catch(() => []))
    if (name.startsWith(prefix)) await rm(path.join(stagingFolder, name), { force: true })
}
