import { createClient } from '../../../src/agents/narrate/client.ts'
import { createNarrator, type NarratorDeps } from '../../../src/agents/narrate/narrator.ts'
import type { Narrate } from '../../../src/agents/narrative.ts'
import type { Clock } from '../../../src/clock.ts'
import type { Db } from '../../../src/db.ts'
import { createLog, type Log } from '../../../src/log.ts'
import { secret } from '../../../src/secret.ts'
import type { FakeClaude } from './fake-claude.ts'

export const startMs = Date.UTC(2026, 10, 20, 3)
export const apiKey = 'sk-ant-test-0123456789-secret'

/** Time that stands still until a test lets some of it pass. */
export const createStillClock = () => {
  let nowMs = startMs
  const sleepers = new Set<{ untilMs: number; wake: () => void }>()
  const clock: Clock & { pass(ms: number): void } = {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const wake = (): void => {
          sleepers.delete(sleeper)
          resolve()
        }
        const sleeper = { untilMs: nowMs + ms, wake }
        if (signal?.aborted || ms <= 0) return wake()
        sleepers.add(sleeper)
        signal?.addEventListener('abort', wake, { once: true })
      }),
    pass(ms) {
      nowMs += ms
      for (const sleeper of sleepers) if (sleeper.untilMs <= nowMs) sleeper.wake()
    },
  }
  return clock
}

export type Line = { level: string; msg: string; [name: string]: unknown }

export const createStage = (db: Db, fake: FakeClaude, more: Partial<NarratorDeps> & { retries?: number } = {}) => {
  const lines: string[] = []
  const log: Log = createLog('debug', { write: (line: string) => lines.push(line) } as never)
  const clock = createStillClock()
  const { retries = 0, ...deps } = more
  const narrate: Narrate = createNarrator({
    ...{ db, clock, log, noteMs: 120_000 },
    model: { name: 'claude-haiku-5-5', effort: 'low' },
    limits: { usd: 0.05, requests: 300, tokens: 2_000_000, wallMs: 600_000 },
    openClient: (middleware) =>
      createClient({ apiKey: secret(apiKey), baseUrl: fake.url, log, middleware, retries, timeoutMs: 60_000 }),
    ...deps,
  })
  return {
    narrate,
    clock,
    raw: (): string => lines.join(''),
    lines: (level: string): Line[] =>
      lines.map((line) => JSON.parse(line) as Line).filter((one) => one.level === level),
    /** What the run said it spent. */
    spent(): { requests: number; usd: number; inputTokens: number; outputTokens: number; [name: string]: unknown } {
      const [line] = lines.map((one) => JSON.parse(one) as Line).filter(({ msg }) => msg === 'texts were asked for')
      return line as never
    },
  }
}
