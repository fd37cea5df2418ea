import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { generateTraffic } from '../../src/demo/generate.ts'
import { createTestDatabase } from '../support/database.ts'
import { storeTraffic } from './lab.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const untilMs = Date.UTC(2026, 10, 20)

t.test('evothesis notes', async (t) => {
  const { db, url, close } = await createTestDatabase()
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-test-'))
  t.teardown(async () => {
    await close()
    await rm(folder, { recursive: true, force: true })
  })
  const notes = (...args: string[]) => notesWith({}, ...args)
  const notesWith = (more: Record<string, string>, ...args: string[]) => {
    const env = {
      PATH: process.env.PATH,
      DATABASE_URL: url,
      DATA_DIR: folder,
      BILLING_TIMEZONE: 'Europe/Berlin',
      ...more,
    }
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import=tsx', path.join(root, 'src/bin/evothesis.ts'), 'notes', ...args],
      { encoding: 'utf8', cwd: root, env, maxBuffer: 64 * 1024 * 1024 },
    )
    return { status, stdout, stderr }
  }
  const traffic = generateTraffic({ events: 3_000, sites: 2, seed: 8, days: 4, untilMs })
  await storeTraffic(db, traffic.requests, untilMs)

  t.match(notes('status'), { status: 0, stdout: '3,001 events in 4 batches are not read yet.' })
  const run = notes('run')
  t.match(run, { status: 0, stdout: /^Read 3,001 events;/, stderr: /Reading: 100 % \(3,001 of 3,001 events\)/ })
  t.match(run.stdout, /2026-11-18 +harbor-tea\.example +\d+/)
  t.match(run.stderr, /Notes: 100 % [\s\S]*Delivery: 100 %/)
  const vault = path.join(folder, 'vault')
  const delivered = path.join(folder, 'exports/client/vault/n1')
  t.match(
    run.stdout,
    new RegExp(`Notes in ${vault}: \\d+ files written\\.\nDelivered to ${delivered}/: \\d+ files\\.\n$`),
  )
  const day = 'daily_reports/2026-11-18 harbor-tea.example.md'
  t.equal(await readFile(path.join(vault, day), 'utf8'), await readFile(path.join(delivered, day), 'utf8'))
  t.match(notes('status').stdout, /Vault: .*\/vault, \d+ files \(.*\d+ daily_report.*nothing waits\./s)
  t.match(notes('run').stdout, 'nothing new.')
  t.match(notes('run', '--site', 'no-such.example').stdout, 'There are no figures of no-such.example.\n')
  t.match(notes('run', '--date', '2019-01-01').stdout, 'There are no figures on 2019-01-01.\n')
  await writeFile(path.join(folder, 'a-file'), '')
  t.match(notesWith({ VAULT_DIR: path.join(folder, 'a-file') }, 'run'), { status: 1, stderr: /a-file/ })
  const read = JSON.parse(notes('run', '--json', '--date', '2026-11-18', '--site', 'harbor-tea.example').stdout)
  t.match(read, {
    run: { runId: null },
    timeZone: 'Europe/Berlin',
    days: [{ day: '2026-11-18', rawSite: 'harbor-tea.example' }],
  })
  t.equal(read.days.length, 1)
  t.match(JSON.parse(notes('status', '--json').stdout), {
    unread: { batches: 0 },
    runs: [{ events: 3_001, error: null }],
  })

  for (const args of [
    [],
    ['write'],
    ['run', 'now'],
    ['run', '--date', 'today'],
    ['run', '--date', '2026-02-31'],
    ['run', '--date', '2026-13-01'],
    ['status', '--site', 'a'],
    ['run', '--fast'],
  ])
    t.match(notes(...args), { status: 2, stdout: '', stderr: /Usage: evothesis notes/ }, args.join(' '))
  await writeFile(path.join(folder, 'funnels.yaml'), 'version: 1\nfunnels: [{id: A}]\n')
  t.match(notes('run'), { status: 1, stderr: /setting_invalid: .*funnels\.yaml is invalid/ })
})

t.test('a reader that has seen enough ends no command with an error', async (t) => {
  for (const args of [['--help'], ['notes', '--help']]) {
    const child = spawn(process.execPath, ['--import=tsx', path.join(root, 'src/bin/evothesis.ts'), ...args], {
      ...{ cwd: root, env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] },
    })
    // As `| head` does it, before anything was written.
    child.stdout.destroy()
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    t.same([code, said], [0, ''], args.join(' '))
  }
})
