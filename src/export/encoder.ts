import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../config.ts'
import { AppError } from '../errors.ts'
import type { EncodeAnswer, EncodedFile, EncodeJob } from './encoder-child.ts'

export type Encoder = {
  /** Encodes one staged file into its formats. Throws `export_encode_failed`; the next call starts a fresh process. */
  encode(job: EncodeJob): Promise<EncodedFile[]>
  close(): void
}

const encodeMsMax = 30 * 60_000
/** What of the encoder's complaints goes into an error, in characters. */
const lastWordsMax = 2_000
/** The child is this file's neighbour, as source or as built. */
const childFile = fileURLToPath(new URL(`./encoder-child${path.extname(import.meta.url)}`, import.meta.url))

/** Starts the encoder's process at the first job and ends it with `close`, so that its memory is there only in a run. */
export const createEncoder = (): Encoder => {
  let child: ChildProcess | undefined
  let lastWords = ''

  const start = (): ChildProcess => {
    const started = fork(childFile, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // glibc's per-thread arenas would double what DuckDB keeps.
      env: childEnvironment({ MALLOC_ARENA_MAX: '2' }),
    })
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
    encode: (job) =>
      new Promise((resolve, reject) => {
        const running = child ?? start()
        const fail = (what: string) => {
          settle()
          running.kill('SIGKILL')
          if (child === running) child = undefined
          reject(new AppError('export_encode_failed', `Encoding ${path.basename(job.input)} failed: ${what}`))
        }
        const onExit = (code: number | null, signal: string | null) =>
          fail(`the encoder ended (${code ?? signal}). ${lastWords.trim()}`)
        const onError = (error: Error) => fail(error.message)
        const onMessage = (answer: EncodeAnswer) => {
          if ('error' in answer) return fail(answer.error)
          settle()
          resolve(answer.files)
        }
        const timer = setTimeout(() => fail(`no answer within ${encodeMsMax} ms`), encodeMsMax)
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
