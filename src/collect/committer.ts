import { randomUUID } from 'node:crypto'
import { AppError, errorCodes } from '../errors.ts'
import { type Group, type Outcome, rowsOf, type Submission } from './group.ts'
import { groupBytesMax, groupRowsMax, queueBytesMax } from './limits.ts'

export type Committer = {
  /** Counts the bytes of a request that is being read or waits; throws buffer_full beyond the limit. */
  hold(bytes: number): void
  /** Gives them back. */
  letGo(bytes: number): void
  /** Resolves when the submission is durable. Throws what the sink throws, and shutting_down. */
  submit(submission: Submission): Promise<Outcome>
  /** True while new requests would be taken. */
  accepting(): boolean
  queued(): { bytes: number; submissions: number }
  /** Refuses new requests and resolves when all that were accepted are answered. */
  close(): Promise<void>
}

type Waiting = { submission: Submission; resolve(outcome: Outcome): void; reject(error: unknown): void }

/**
 * Group commit without timers: while one group is being made durable, new submissions gather; when it is done, all of
 * them (up to a bound) are the next group. So a quiet server commits at once, and a busy one in large groups.
 */
export const createCommitter = (sink: (group: Group) => Promise<Outcome[]>): Committer => {
  let waiting: Waiting[] = []
  let heldBytes = 0
  let running: Promise<void> | undefined
  let closing = false

  const run = async (): Promise<void> => {
    // What else arrived in this turn of the event loop comes along.
    await new Promise(setImmediate)
    while (waiting.length > 0) {
      const taken = takeGroup(waiting)
      waiting = waiting.slice(taken.length)
      try {
        const outcomes = await sink({ commitKey: randomUUID(), submissions: taken.map((one) => one.submission) })
        taken.forEach((one, i) => {
          const outcome = outcomes[i]
          if (outcome) one.resolve(outcome)
          else one.reject(new AppError('internal', 'A group was answered incompletely.'))
        })
      } catch (error) {
        for (const one of taken) one.reject(error)
      }
    }
    running = undefined
  }

  return {
    hold(bytes) {
      if (heldBytes + bytes > queueBytesMax) throw new AppError('buffer_full', errorCodes.buffer_full[1])
      heldBytes += bytes
    },
    letGo(bytes) {
      heldBytes -= bytes
    },
    submit(submission) {
      if (closing) return Promise.reject(new AppError('shutting_down', errorCodes.shutting_down[1]))
      return new Promise((resolve, reject) => {
        waiting.push({ submission, resolve, reject })
        running ??= run()
      })
    },
    accepting: () => !closing && heldBytes < queueBytesMax,
    queued: () => ({ bytes: heldBytes, submissions: waiting.length }),
    async close() {
      closing = true
      await running
    },
  }
}

/** The longest run from the front within the bounds of a group, one at least. */
const takeGroup = (waiting: readonly Waiting[]): Waiting[] => {
  let bytes = 0
  let rows = 0
  let length = 0
  for (const { submission } of waiting) {
    bytes += submission.bytes
    rows += rowsOf(submission)
    if (length > 0 && (bytes > groupBytesMax || rows > groupRowsMax)) break
    length++
  }
  return waiting.slice(0, length)
}
