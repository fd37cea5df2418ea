import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { childEnvironment } from '../config.ts'
import { AppError } from '../errors.ts'

/** What of DATA_DIR is backed up: the events that wait for the database, people's notes, secrets and plans of its own. */
const dataNames = ['spool', 'vault', 'secrets', 'admin-token', 'plans.yaml', 'funnels.yaml', 'alerts.yml']

export type Archive = { stream: Readable; done: Promise<void> }

/**
 * A tar of what is beside the database: of DATA_DIR below `data/`, and of the further files and folders below `include/`
 * by their whole path. Files that change or vanish meanwhile are taken as they are: records of the spool are checksummed,
 * and a replayed one is stored once. One that cannot be read fails it: a backup without the secrets would look whole until
 * the day it is needed. Throws `setting_invalid` for a further file that is not there.
 */
export const startArchive = (dataDir: string, vaultDir: string | undefined, include: readonly string[]): Archive => {
  const root = path.resolve(dataDir)
  const inside = dataNames.filter((name) => existsSync(path.join(root, name)))
  const further = include.map((one) => path.resolve(one))
  for (const one of further)
    if (!existsSync(one)) throw new AppError('setting_invalid', `BACKUP_INCLUDE names ${one}, which is not there.`)
  // The vault begins with the first note.
  const outside = [...(vaultDir ? [path.resolve(vaultDir)].filter(existsSync) : []), ...further]
  const args = [
    ...['--create', '--dereference', '--warning=no-file-changed', '--warning=no-file-removed'],
    // Names are changed, the targets of links are not.
    ...[`--transform=s,^\\./,data/,S`, `--transform=s,^/,include/,S`, '--absolute-names'],
    ...['--directory', root, ...inside.map((name) => `./${name}`), ...outside],
    ...(inside.length + outside.length === 0 ? ['--files-from=/dev/null'] : []),
  ]
  const child = spawn('tar', args, { env: childEnvironment({ LC_ALL: 'C' }), stdio: ['ignore', 'pipe', 'pipe'] })
  return { stream: child.stdout, done: ended(child, 'tar', [0, 1]) }
}

/**
 * Unpacks an archive into a new folder; nothing outside of it can be written. Throws `backup_failed`.
 */
export const unpackArchive = async (archive: Readable, folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // To the last byte: a tar that stops at the end it knows closes the pipe while its padding is still being written.
  const args = ['--extract', '--ignore-zeros', '--no-same-owner', '--no-overwrite-dir', '--directory', folder]
  const child = spawn('tar', args, {
    env: childEnvironment({ LC_ALL: 'C' }),
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const done = ended(child, 'tar', [0])
  await Promise.all([pipeline(archive, child.stdin), done])
}

const ended = (child: ReturnType<typeof spawn>, name: string, fine: readonly number[]): Promise<void> => {
  let words = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString('utf8')}`.slice(-1000)
  })
  const done = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code !== null && fine.includes(code)) resolve()
      else reject(new AppError('backup_failed', `${name} ended with ${code ?? signal}: ${words.trim()}`))
    })
  })
  done.catch(() => undefined)
  return done
}
