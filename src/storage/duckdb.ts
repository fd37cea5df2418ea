import { type ChildProcess, fork } from 'node:child_process'
import { setPriority } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../config.ts'
import { AppError } from '../errors.ts'

export type DuckDbJob = {
  /** For people, where it fails. */
  what: string
  tempFolder: string
  memoryMb: number
  threads: number
  /** Statements that write a file each and answer with its number of rows. */
  writes: { file: string; sql: string }[]
  /** Statements whose first column is wanted, as text. */
  reads: string[]
}
export type Written = { rows: number; bytes: number; sha256: string }
export type DuckDbAnswer = { written: Written[]; read: string[][] } | { error: string }

export type DuckDb = {
  /** Runs one job after the other. Throws `export_encode_failed`; the next call starts a fresh process. */
  run(job: DuckDbJob): Promise<{ written: Written[]; read: string[][] }>
  close(): void
}

const encoderNiceness = 10
const jobMsMax = 30 * 60_000
/** What of the process's complaints goes into an error, in characters. */
const lastWordsMax = 2_000
/** The child is this file's neighbour, as source or as built. */
const childFile = fileURLToPath(new URL(`./duckdb-child${path.extname(import.meta.url)}`, import.meta.url))

/** Starts DuckDB's process at the first job and ends it with `close`, so that its memory is there only while it works. */
export const createDuckDb = (): DuckDb => {
  let child: ChildProcess | undefined
  let lastWords = ''

  const start = (): ChildProcess => {
    const started = fork(childFile, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // glibc's per-thread arenas would double what DuckDB keeps.
      env: childEnvironment({ MALLOC_ARENA_MAX: '2' }),
    })
    // Files can wait; whoever collects events on the same cores answers somebody's page.
    if (started.pid !== undefined) setPriority(started.pid, encoderNiceness)
    started.once('exit', () => {
      if (child === started) child = undefined
    })
    lastWords = ''
    started.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-lastWordsMax)
    })
    child = started
    return started
  }

  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        const running = child ?? start()
        const fail = (why: string) => {
          settle()
          running.kill('SIGKILL')
          if (child === running) child = undefined
          reject(new AppError('export_encode_failed', `${job.what} failed: ${why}`))
        }
        const onExit = (code: number | null, signal: string | null) =>
          fail(`DuckDB's process ended (${code ?? signal}). ${lastWords.trim()}`)
        const onError = (error: Error) => fail(error.message)
        const onMessage = (answer: DuckDbAnswer) => {
          if ('error' in answer) return fail(answer.error)
          settle()
          resolve(answer)
        }
        const timer = setTimeout(() => fail(`no answer within ${jobMsMax} ms`), jobMsMax)
        const settle = () => {
          clearTimeout(timer)
          running.off('exit', onExit).off('error', onError).off('message', onMessage)
        }
        running.once('exit', onExit).once('error', onError).once('message', onMessage)
        running.send(job)
      }),
    close() {
      child?.removeAllListeners()
      child?.kill('SIGKILL')
      child = undefined
    },
  }
}
