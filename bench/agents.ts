import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { DayReport } from '../src/agents/report.ts'
import { selectReports } from '../src/agents/report-rows.ts'
import { generateTraffic } from '../src/demo/generate.ts'
import { insertTraffic } from '../src/demo/insert.ts'
import type { PlantedTruth } from '../src/demo/planted.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { bareCopy } from './support/bare-copy.ts'
import { sampleProcesses } from './support/processes.ts'
import { writeResult } from './support/result.ts'

/**
 * Time, CPU time and peak memory (PostgreSQL left out) of the agents: a first run over everything, an hour of news, nothing new;
 * beside a bare COPY of the same events to nowhere.
 *
 *   node --import=tsx bench/agents.ts [--events 1000000] [--sites 7] [--days 28]
 *
 * Measures the built program (npm run build), start and exit included. Linux only.
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: process.env.BENCH_SHORT ? '50000' : '1000000' },
    sites: { type: 'string', default: '7' },
    days: { type: 'string', default: '28' },
  },
})
const [events, sites, days] = [values.events, values.sites, values.days].map(Number) as [number, number, number]
const untilMs = Date.UTC(2026, 10, 20, 12)
const program = new URL('../dist/bin/evothesis.js', import.meta.url).pathname

const database = await createTestDatabase()
const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
try {
  const first = generateTraffic({ events, sites, seed: 1, days, untilMs })
  await insertTraffic({ db: database.db, requests: first.requests })
  await database.db.execute('vacuum analyze')
  const planted = first.planted()
  const copySeconds = await bareCopy(database.db, planted.events)
  process.stdout.write(`bare COPY of ${planted.events} events: ${copySeconds.toFixed(1)} s\n`)
  const runs: Record<string, Figures> = {}
  const hourly = Math.max(100, Math.round(events / days / 24))
  runs.first = await run()
  print(`first run, ${events} events in ${planted.sessions} sessions`, runs.first)
  process.stdout.write(`  ${(runs.first.seconds / copySeconds).toFixed(1)} x of the COPY\n`)
  const next = generateTraffic({ events: hourly, sites, seed: 2, days: 1 / 24, untilMs: untilMs + 3_600_000 })
  await insertTraffic({ db: database.db, requests: next.requests })
  runs.hour = await run()
  print(`an hour, ${hourly} events`, runs.hour)
  runs.nothing = await run()
  print('nothing new', runs.nothing)
  await verify([planted, next.planted()])
  writeResult('agents', {
    events,
    sites,
    days,
    sessions: planted.sessions,
    copySeconds,
    runs,
    isRight: !process.exitCode,
  })
} finally {
  await database.close()
  await rm(folder, { recursive: true, force: true })
}

type Figures = { seconds: number; cpuSeconds: number; peakMb: number }

async function run(): Promise<Figures> {
  const started = performance.now()
  const child = spawn(process.execPath, [program, 'notes', 'run'], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url, DATA_DIR: folder, LOG_LEVEL: 'error' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const processes = sampleProcesses(child.pid ?? 0)
  const code = await new Promise((resolve) => child.once('exit', resolve))
  const seconds = (performance.now() - started) / 1000
  const { totalMb: peakMb, cpuSeconds } = processes.stop()
  const figures = { seconds, cpuSeconds, peakMb }
  if (code !== 0) throw new Error(`notes run ended with ${code}`)
  return figures
}

function print(what: string, { seconds, cpuSeconds, peakMb }: Figures): void {
  process.stdout.write(`${what}: ${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s of CPU), peak ${peakMb} MB\n`)
}

/** What came out is what was planted. */
async function verify(truths: PlantedTruth[]): Promise<void> {
  const reports = await selectReports<DayReport>(database.db, { kind: 'day' })
  const sum = (value: (report: DayReport) => number | null) =>
    reports.reduce((all, { body }) => all + (value(body) ?? 0), 0)
  const wanted = (value: (truth: PlantedTruth) => number) => truths.reduce((all, truth) => all + value(truth), 0)
  const orders = wanted(({ sites: each }) => Object.values(each).reduce((all, { sales }) => all + sales.orders, 0))
  for (const [what, found, planted] of [
    ['events', sum(({ totals }) => totals.events.value), wanted((truth) => truth.events)],
    ['sessions', sum(({ totals }) => totals.sessions.value), wanted((truth) => truth.sessions)],
    ['orders', sum(({ totals }) => totals.orders.value), orders],
  ] as const) {
    process.stdout.write(`${what}: ${found}${found === planted ? '' : ` WRONG, ${planted} were planted`}\n`)
    if (found !== planted) process.exitCode = 1
  }
}
