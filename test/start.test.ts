import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { closeAll } from '../src/bin/close-all.ts'
import { openBuffer } from '../src/buffer.ts'
import { systemClock } from '../src/clock.ts'
import { loadConfig } from '../src/config.ts'
import { silentLog } from '../src/log.ts'
import { tempFolder } from './support/exporter.ts'
import { collectOutput, exitOf, runProgram, startServer } from './support/server.ts'

const usesEmbedded = process.platform === 'linux'
/** Processes whose command line names the folder: the server, its encoder, its PostgreSQL. */
const processesOf = (folder: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      } catch {
        return false
      }
    })

const post = async (address: string, body: unknown): Promise<unknown> =>
  (await fetch(`${address}/collect`, { method: 'POST', body: JSON.stringify(body) })).json()

/** What the promise resolves to, or `late` when that takes longer. */
const within = async <T>(ms: number, promise: Promise<T>): Promise<T | 'late'> => {
  const ended = new AbortController()
  const late = systemClock.sleep(ms, ended.signal).then(() => 'late' as const)
  return Promise.race([promise, late]).finally(() => ended.abort())
}

t.test('one command starts everything, and SIGTERM leaves nothing running', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  const server = await startServer(folder)
  t.match(server.output(), path.join(folder, 'exports', 'client'))
  t.match(server.output(), path.join(folder, 'admin-token'))
  t.equal(statSync(path.join(folder, 'admin-token')).mode & 0o777, 0o600)
  t.match(await post(server.address, { eventType: 'pageview' }), { status: 'success', events_processed: 1 })
  t.match(await server.admin('POST', '/export/run?wait=true'), { status: 'done', events: 1 })
  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0)
  t.strictSame(processesOf(folder), [])

  const again = await startServer(folder)
  t.match(await again.admin('GET', '/events/count'), { total_events: 1 }, 'a second start has the data')
  again.process.kill('SIGINT')
  t.equal(await again.exited, 0)
  t.strictSame(processesOf(folder), [])
})

t.test('a start after kill -9 recovers, its PostgreSQL alive or dead', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  const first = await startServer(folder)
  await post(first.address, { eventType: 'pageview' })
  first.process.kill('SIGKILL')
  await first.exited
  t.equal(processesOf(folder).length > 0, true, 'PostgreSQL goes on without its parent')

  const second = await startServer(folder)
  t.match(await second.admin('GET', '/events/count'), { total_events: 1 })
  await post(second.address, { eventType: 'pageview' })
  second.process.kill('SIGKILL')
  await second.exited
  for (const pid of processesOf(folder)) process.kill(Number(pid), 'SIGKILL')

  // The pid file now names a process that has ended; and then one that is somebody else's.
  const pidFile = path.join(folder, 'postgres', 'postmaster.pid')
  const lines = readFileSync(pidFile, 'utf8').split('\n')
  writeFileSync(pidFile, [String(process.pid), ...lines.slice(1)].join('\n'))
  const third = await startServer(folder)
  t.match(await third.admin('GET', '/events/count'), { total_events: 2 })
  third.process.kill('SIGTERM')
  t.equal(await third.exited, 0)
  t.strictSame(processesOf(folder), [])
})

t.test('a second server on the same folder is refused, and the first goes on', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  const first = await startServer(folder)
  const second = runProgram(['start'], { DATA_DIR: folder })
  const output = collectOutput(second)
  t.equal(await exitOf(second), 1)
  t.match(output(), 'already uses')
  t.match(await post(first.address, { eventType: 'pageview' }), { status: 'success' })
  first.process.kill('SIGTERM')
  await first.exited
})

t.test('a command beside a server leaves its database running', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  // The second server adopts the PostgreSQL of the first: it serves the folder, so it stops it all the same.
  const killed = await startServer(folder)
  killed.process.kill('SIGKILL')
  await killed.exited
  const server = await startServer(folder)
  t.equal(await exitOf(runProgram(['migrate'], { DATA_DIR: folder })), 0)
  t.match(await post(server.address, { eventType: 'pageview' }), { status: 'success' })
  t.match(await server.admin('GET', '/events/count'), { total_events: 1 })
  t.match(await server.admin('GET', '/export/status'), { destinations: Array })
  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0)
  t.strictSame(processesOf(folder), [])
  t.equal(await exitOf(runProgram(['migrate'], { DATA_DIR: folder })), 0)
  t.strictSame(processesOf(folder), [], 'without a server, a command stops what it started')
})

t.test('a server that adopts the database of a command keeps it', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  const config = loadConfig({ DATA_DIR: folder })
  const deps = { clock: systemClock, log: silentLog, applicationName: 'test' }
  const command = await openBuffer(config, deps)
  const server = await startServer(folder)
  await command.close()
  t.match(await post(server.address, { eventType: 'pageview' }), { status: 'success' })
  t.match(await server.admin('GET', '/events/count'), { total_events: 1 })
  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0)
  t.strictSame(processesOf(folder), [])
})

t.test('a server whose database is away stops when it is asked to', async (t) => {
  const folder = await tempFolder(t)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const server = await startServer(folder, { DATABASE_URL: 'postgres://u:p@127.0.0.1:1/db' })
    server.process.kill(signal)
    t.equal(await within(15_000, server.exited), 0, signal)
    t.strictSame(processesOf(folder), [])
  }
})

t.test('a part that cannot be stopped does not keep the others running', async (t) => {
  const closed: string[] = []
  const closers = [
    () => closed.push('server'),
    () => Promise.reject(new Error('no')),
    () => {
      throw new Error('never')
    },
    () => closed.push('database'),
  ]
  t.equal(await closeAll(closers, silentLog), false)
  t.strictSame(closed, ['server', 'database'])
})

t.test('a PostgreSQL that is killed is started again, and nothing is lost', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  const server = await startServer(folder, { LOG_LEVEL: 'error' })
  const pidFile = path.join(folder, 'postgres', 'postmaster.pid')
  let sent = 0
  for (const round of ['first', 'second']) {
    const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0])
    for (let i = 0; i < 20; i++) {
      if (i === 5) process.kill(pid, 'SIGKILL')
      t.match(await post(server.address, { eventType: 'pageview' }), { status: 'success' })
      sent++
    }
    let counted: number | undefined
    for (const beganMs = Date.now(); counted !== sent && Date.now() - beganMs < 60_000; await systemClock.sleep(200))
      counted = await server.admin<{ total_events: number }>('GET', '/events/count').then(
        (answer) => answer.total_events,
        () => undefined,
      )
    t.equal(counted, sent, `all events after the ${round} kill`)
  }
  t.match(server.output(), 'has ended; starting it again')
  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0)
  t.strictSame(processesOf(folder), [])
})

t.test('a taken port is one clear message, and leaves nothing running', { skip: !usesEmbedded }, async (t) => {
  const folder = await tempFolder(t)
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const child = runProgram(['start'], { DATA_DIR: folder, PORT: String(port) })
  const output = collectOutput(child)
  t.equal(await exitOf(child), 1)
  t.match(output(), `PORT ${port} is in use`)
  t.notMatch(output(), /\n\s+at /, 'no stack trace')
  t.strictSame(readdirSync(folder), [], 'no database was made')
  t.strictSame(processesOf(folder), [])
})

t.test('all invalid settings are told at once, each by its name', async (t) => {
  const folder = await tempFolder(t)
  const child = runProgram(['start'], {
    DATA_DIR: folder,
    PORT: '99999',
    EXPORT_FORMAT: 'xml',
    EXPORT_SHEDULE: 'hourly',
    CLIENT_S3_ACCESS_KEY: 'key',
    RESPECT_DNT: 'maybe',
  })
  const output = collectOutput(child)
  t.equal(await exitOf(child), 1)
  for (const name of ['PORT', 'EXPORT_FORMAT', 'EXPORT_SHEDULE', 'did you mean EXPORT_SCHEDULE', 'RESPECT_DNT'])
    t.match(output(), name)
})

t.test('an unreachable schedule is refused at the start', async (t) => {
  const folder = await tempFolder(t)
  const child = runProgram(['start'], { DATA_DIR: folder, EXPORT_SCHEDULE: 'every 7 minutes' })
  const output = collectOutput(child)
  t.equal(await exitOf(child), 1)
  t.match(output(), 'EXPORT_SCHEDULE')
  t.strictSame(processesOf(folder), [])
})

t.test('help is printed and nothing is done; an unknown argument is refused', async (t) => {
  const folder = await tempFolder(t)
  const run = async (args: string[]) => {
    const child = runProgram(args, { DATA_DIR: path.join(folder, 'data') })
    const output = collectOutput(child)
    return { code: await exitOf(child), output: output() }
  }
  for (const name of ['start', 'migrate', 'demo'])
    for (const flag of ['--help', '-h'])
      t.match(await run([name, flag]), { code: 0, output: `Usage: evothesis ${name}` }, `${name} ${flag}`)
  for (const args of [
    ['start', '--port=1'],
    ['migrate', 'now'],
    ['demo', 'visits'],
  ])
    t.match(await run(args), { code: 2, output: /usage_invalid[\s\S]*Usage: evothesis/ }, args.join(' '))
  t.strictSame(readdirSync(folder), [])
})

t.test('the help lists every command', (t) => {
  const program = new URL('../src/bin/evothesis.ts', import.meta.url).pathname
  const help = execFileSync(process.execPath, ['--import', 'tsx', program, '--help'], { encoding: 'utf8' })
  for (const command of ['start', 'migrate', 'export', 'demo']) t.match(help, `  ${command} `)
  t.match(help, 'replay')
  t.end()
})
