import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment } from '../config.ts'
import { AppError } from '../errors.ts'

const run = promisify(execFile)
/** Words of a program's standard error that are kept for the message of a failure. */
const wordsMax = 2_000

export type PostgresPrograms = {
  /** Starts one; its connection is to `url`, whose password it reads from a file. */
  start(name: 'pg_dump' | 'pg_restore', url: string, args: readonly string[]): Promise<RunningProgram>
}
export type RunningProgram = {
  process: ChildProcess
  /** Resolves when it ended with 0; else throws `backup_failed` with its last words. */
  done: Promise<void>
}

/**
 * Finds pg_dump and pg_restore of the server's major version: on PATH, else where Debian keeps them. An older one cannot
 * read the server, and a newer one writes what the server cannot read. Throws `backup_failed` and says what to install; the
 * embedded PostgreSQL brings none.
 */
export const findPostgresPrograms = async (major: number): Promise<PostgresPrograms> => {
  const folder = await findFolder(major)
  return {
    async start(name, url, args) {
      const { place, passwordFile, remove } = await withoutPassword(url)
      const child = spawn(path.join(folder, name), [...args, `--dbname=${place}`], {
        env: childEnvironment({ PGPASSFILE: passwordFile, LC_ALL: 'C' }),
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      let words = ''
      child.stderr.on('data', (chunk: Buffer) => {
        words = `${words}${chunk.toString('utf8')}`.slice(-wordsMax)
      })
      const done = new Promise<void>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', (code, signal) => {
          if (code === 0) resolve()
          else reject(new AppError('backup_failed', `${name} ended with ${code ?? signal}: ${words.trim()}`))
        })
      }).finally(remove)
      done.catch(() => undefined)
      return { process: child, done }
    },
  }
}

const findFolder = async (major: number): Promise<string> => {
  const { PATH = '' } = childEnvironment({})
  const folders = [...PATH.split(':').filter((one) => one !== ''), `/usr/lib/postgresql/${major}/bin`]
  for (const folder of folders)
    if (
      ['pg_dump', 'pg_restore'].every((name) => existsSync(path.join(folder, name))) &&
      (await majorOf(folder)) === major
    )
      return folder
  throw new AppError(
    'backup_failed',
    `pg_dump and pg_restore of PostgreSQL ${major} are not on this machine; install postgresql-client-${major}. The embedded PostgreSQL brings none.`,
  )
}

const majorOf = async (folder: string): Promise<number | undefined> => {
  const { stdout } = await run(path.join(folder, 'pg_dump'), ['--version'], { env: childEnvironment({}) }).catch(
    () => ({
      stdout: '',
    }),
  )
  const found = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** A command line and an environment are seen by others; a file of our own is not. */
const withoutPassword = async (
  url: string,
): Promise<{ place: string; passwordFile: string; remove: () => Promise<void> }> => {
  const parsed = new URL(url)
  const password = decodeURIComponent(parsed.password)
  parsed.password = ''
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-pg-'))
  const passwordFile = path.join(folder, randomBytes(4).toString('hex'))
  await writeFile(passwordFile, `*:*:*:*:${password.replaceAll(/[\\:]/g, (one) => `\\${one}`)}\n`, { mode: 0o600 })
  return { place: parsed.href, passwordFile, remove: () => rm(folder, { recursive: true, force: true }) }
}
