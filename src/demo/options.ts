import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../errors.ts'
import { dayMs } from './calendar.ts'
import type { TrafficOptions } from './generate.ts'
import { collectAddress } from './send.ts'

export const demoTrafficHelp = (url: string): string => `Usage: evothesis demo traffic [options]

Sends the visits of made-up people in made-up shops to a collector, as the tracking script would, and prints what it
planted, so that you can check what comes out. The same options send the same bytes.

  --events N        how many events, exactly (default 10000)
  --sites N         how many sites; the second is half as busy as the first, and so on (default 7)
  --seed N          another number is other people (default 1)
  --days N          the time the events spread over (default 28)
  --until WHEN      where that time ends: now, or a moment like 2026-11-20T18:00:00Z (default now)
  --url URL         the collector (default ${url})
  --concurrency N   requests under way at once (default 16)
  --anomaly         plant a time in which one step of the funnel loses 15 points more people than it should
  --json            print what was planted as JSON
  --help            show this

Exit code: 0 everything was acknowledged, 1 the collector refused or stayed away, 2 wrong usage.
`

export type DemoTrafficOptions = TrafficOptions & { url: string; concurrency: number; json: boolean }

/** Ten times what the soak test sends; beyond it the plan of the sessions would fill the memory. */
const eventsMax = 100_000_000
const sitesMax = 1_000
const daysMax = 3_660
const concurrencyMax = 1_000
const seedMax = 2 ** 32 - 1

/** Reads the arguments strictly. Throws `usage_invalid`, which names the argument and what it takes. */
export const readDemoTrafficOptions = (
  args: string[],
  defaults: { nowMs: number; url: string },
): DemoTrafficOptions | 'help' => {
  const values = parse(args)
  if (values.help) return 'help'
  return {
    events: integer('events', values.events, 1, eventsMax),
    sites: integer('sites', values.sites, 1, sitesMax),
    seed: integer('seed', values.seed, 0, seedMax),
    days: integer('days', values.days, 1, daysMax),
    untilMs: instant('until', values.until, defaults.nowMs),
    url: address(values.url ?? defaults.url),
    concurrency: integer('concurrency', values.concurrency, 1, concurrencyMax),
    json: values.json,
    ...(values.anomaly && { anomaly: {} }),
  }
}

const parse = (args: string[]) => {
  try {
    return parseArgs({
      args,
      strict: true,
      allowPositionals: false,
      options: {
        events: { type: 'string', default: '10000' },
        sites: { type: 'string', default: '7' },
        seed: { type: 'string', default: '1' },
        days: { type: 'string', default: '28' },
        until: { type: 'string', default: 'now' },
        url: { type: 'string' },
        concurrency: { type: 'string', default: '16' },
        anomaly: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error).split(/\.\s/)[0]}.`, { cause: error })
  }
}

const integer = (name: string, text: string, min: number, max: number): number => {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new AppError('usage_invalid', `--${name} takes a whole number from ${min} to ${max}, not ${text}.`)
}

const address = (url: string): string => {
  collectAddress(url)
  return url
}

const instant = (name: string, text: string, nowMs: number): number => {
  if (text === 'now') return nowMs
  const value = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN
  if (value >= 366 * dayMs) return value
  throw new AppError('usage_invalid', `--${name} takes now, or a moment like 2026-11-20T18:00:00Z, not ${text}.`)
}
