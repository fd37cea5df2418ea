import { readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import { AppError, errorCodes } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Group } from './group.ts'
import {
  adoptOrphans,
  beat,
  listFolders,
  listSegments,
  ownFolderName,
  removeFolder,
  type SpoolFile,
  segmentFileName,
} from './spool-folders.ts'
import { decodeRecords, encodeRecord } from './spool-record.ts'
import { createSegment, type Segment } from './spool-segment.ts'

/** Bytes of a segment: what a replay holds in memory, and the step in which disk space comes back. */
const segmentBytesMax = 16_000_000
/** Connections of the pool that a replay may use. */
const replaysAtOnce = 4

export type SpoolState = {
  bytes: number
  oldestMs: number | undefined
  /** The last record found no room. */
  full: boolean
}

/** Stores a record; `keep` leaves its segment for another time. */
export type Take = (group: Group) => Promise<'done' | 'keep'>

export type Spool = {
  /** Resolves when the group is on the disk. Errors: `buffer_full` when the spool is full or the disk failed. */
  append(group: Group): Promise<void>
  /** Hands out every record, oldest first; deletes a segment when all its records were taken. Throws what `take` throws. */
  replay(take: Take): Promise<void>
  /** Keeps the heartbeat and takes over what workers that are gone left behind. */
  tend(): Promise<void>
  state(): SpoolState
  close(): Promise<void>
}

/**
 * The append-only log on disk that takes groups while the database is away. Records are final: redacted, with ids and
 * time of arrival, under the key that their transaction will have. One writer; `append` and `replay` may overlap.
 */
export const createSpool = (options: { root: string; bytesMax: number; clock: Clock; log: Log }): Spool => {
  const { root, bytesMax, clock, log } = options
  const ownName = ownFolderName()
  const folder = path.join(root, ownName)
  let current: Segment | undefined
  let currentCreatedMs = 0
  let sequence = 0
  let full = false
  /** Segments that take no more records, by file. */
  const closed = new Map<string, SpoolFile>()

  const closedBytes = (): number => [...closed.values()].reduce((sum, one) => sum + one.bytes, 0)
  const bytes = (): number => closedBytes() + (current?.bytes() ?? 0)

  /** Takes the current segment out of use. What was written into it stays to be replayed, a failed record included. */
  const retire = async (): Promise<void> => {
    if (!current) return
    const segment = current
    current = undefined
    closed.set(segment.file, { file: segment.file, bytes: segment.bytes(), createdMs: currentCreatedMs })
    await segment.close().catch((error: Error) => log.warn({ err: error }, 'a spool segment could not be closed'))
  }

  const openSegment = async (createdMs: number): Promise<Segment> => {
    if (current && current.bytes() >= segmentBytesMax) await retire()
    if (!current) {
      current = await createSegment(folder, segmentFileName(createdMs, sequence++, ownName))
      currentCreatedMs = createdMs
    }
    return current
  }

  /** One at a time: a segment is not closed while a record is written into it. */
  let turn: Promise<unknown> = Promise.resolve()
  const exclusively = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work)
    turn = mine.catch(() => {})
    return mine
  }

  const append = async (group: Group): Promise<void> => {
    const record = encodeRecord(group)
    full = bytes() + record.length > bytesMax
    if (full) throw new AppError('buffer_full', errorCodes.buffer_full[1])
    const createdMs = Math.min(...group.submissions.map((submission) => submission.createdMs))
    for (let attempt = 1; ; attempt++) {
      try {
        const segment = await openSegment(createdMs)
        await segment.append(record)
        return
      } catch (cause) {
        // A failed fsync says nothing about what is on the disk, now or later: the segment is not used again.
        await retire()
        log.error({ err: cause }, 'a record could not be spooled')
        if (attempt === 2) throw new AppError('buffer_full', 'The spool failed.', { cause })
      }
    }
  }

  const replaySegment = async (one: SpoolFile, take: Take): Promise<void> => {
    const content = await readFile(one.file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (!content) return void closed.delete(one.file)
    const { groups, tornBytes, damagedBytes } = decodeRecords(content)
    if ((await takeAll(groups, take)) > 0) return
    if (damagedBytes > 0) {
      log.error({ file: path.basename(one.file), damagedBytes }, 'a spool segment is damaged; it is kept as .damaged')
      await rename(one.file, `${one.file}.damaged`)
    } else {
      if (tornBytes > 0)
        log.warn({ file: path.basename(one.file), tornBytes }, 'an unfinished spool record was cut off')
      await rm(one.file, { force: true })
    }
    closed.delete(one.file)
    full = false
  }

  const oldestFirst = (): SpoolFile[] => [...closed.values()].sort((a, b) => a.createdMs - b.createdMs)

  const tend = async (): Promise<void> => {
    await beat(folder, clock.now())
    const adopted = await adoptOrphans(root, ownName, clock.now())
    if (adopted > 0) log.info({ adopted }, 'took over spool segments of a worker that is gone')
    const files = await listSegments(folder)
    for (const one of files) if (one.file !== current?.file && !closed.has(one.file)) closed.set(one.file, one)
  }

  return {
    append: (group) => exclusively(() => append(group)),
    async replay(take) {
      const first = oldestFirst()
      for (const one of first) await replaySegment(one, take)
      // Only now: while the first record cannot be replayed, the current segment goes on filling.
      await exclusively(retire)
      for (const one of oldestFirst()) if (!first.includes(one)) await replaySegment(one, take)
    },
    tend,
    state: () => {
      const starts = [...closed.values()].map((one) => one.createdMs)
      if (current && current.bytes() > 0) starts.push(currentCreatedMs)
      return { bytes: bytes(), full, oldestMs: starts.length > 0 ? Math.min(...starts) : undefined }
    },
    async close() {
      await exclusively(retire)
      if (closed.size === 0) await removeFolder(folder)
    },
  }
}

/** Several at a time, begun in order: their commits then share the database's fsync. Answers how many were kept. */
const takeAll = async (groups: readonly Group[], take: Take): Promise<number> => {
  let next = 0
  let kept = 0
  const errors: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let group = groups[next++]; group && errors.length === 0; group = groups[next++])
      await take(group).then(
        (result) => {
          if (result === 'keep') kept++
        },
        (error: unknown) => void errors.push(error),
      )
  }
  await Promise.all(Array.from({ length: replaysAtOnce }, worker))
  if (errors.length > 0) throw errors[0]
  return kept
}

/** Bytes and oldest arrival in the spools of all workers on this disk, and of those that are gone. */
export const spooledOnDisk = async (root: string): Promise<{ bytes: number; oldestMs: number | undefined }> => {
  const folders = (await listFolders(root)).map((name) => path.join(root, name))
  const files = (await Promise.all(folders.map(listSegments))).flat()
  const oldestMs = files.length > 0 ? Math.min(...files.map((one) => one.createdMs)) : undefined
  return { bytes: files.reduce((sum, one) => sum + one.bytes, 0), oldestMs }
}
