import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import root from 'tap'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

/** A real server, and the folder of PATH in which its own client programs are. */
export type ServerWithPrograms = { url: string; programs: string; kind: 'PostgreSQL' | 'TimescaleDB' }

/**
 * The TimescaleDB of TEST_DATABASE_URL, whose programs live in a root of their own, else a PostgreSQL of Debian's packages,
 * started for this file. Undefined where neither is: the embedded one has no client programs.
 */
export const findServerWithPrograms = async (): Promise<ServerWithPrograms | undefined> => {
  const shared = process.env.TEST_DATABASE_URL
  if (shared) {
    const programs = mkdtempSync(path.join(tmpdir(), 'evothesis-programs-'))
    root.teardown(() => rmSync(programs, { recursive: true, force: true }))
    for (const name of ['pg_dump', 'pg_restore'])
      symlinkSync(path.join(import.meta.dirname, '../timescale/programs.sh'), path.join(programs, name))
    return { url: shared, programs, kind: 'TimescaleDB' }
  }
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort().reverse() : []
  const programs = versions.map((one) => `/usr/lib/postgresql/${one}/bin`).find((one) => existsSync(`${one}/initdb`))
  return programs === undefined ? undefined : { url: await startServer(programs), programs, kind: 'PostgreSQL' }
}

const startServer = async (programs: string): Promise<string> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'evothesis-postgres-'))
  root.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const password = randomBytes(8).toString('hex')
  writeFileSync(path.join(folder, 'password'), password)
  mkdirSync(path.join(folder, 'data'), { mode: 0o700 })
  // PostgreSQL refuses to run as root.
  const account = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {}
  if (account.uid !== undefined && account.gid !== undefined) {
    chmodSync(folder, 0o755)
    for (const name of ['data', 'password']) chownSync(path.join(folder, name), account.uid, account.gid)
  }
  const data = path.join(folder, 'data')
  execFileSync(
    path.join(programs, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '--auth=scram-sha-256',
      `--pwfile=${folder}/password`,
      '--encoding=UTF8',
      '--locale=C',
    ],
    { ...account, cwd: folder, stdio: 'ignore' },
  )
  const port = await freePort()
  const server = spawn(
    path.join(programs, 'postgres'),
    ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    { ...account, cwd: folder, stdio: 'ignore' },
  )
  const ended = new Promise((resolve) => server.once('exit', resolve))
  root.teardown(async () => {
    server.kill('SIGINT')
    await ended
  })
  await until('PostgreSQL starts', () => existsSync(path.join(data, 'postmaster.pid')) && answers(programs, port))
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
}

const idOf = (flag: '-u' | '-g'): number =>
  Number(execFileSync('id', [flag, existsSync('/var/lib/postgresql') ? 'postgres' : 'nobody'], { encoding: 'utf8' }))

const answers = (programs: string, port: number): boolean => {
  try {
    execFileSync(path.join(programs, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(port)])
    return true
  } catch {
    return false
  }
}
