import type { Clock } from '../../src/clock.ts'

export type TestClock = Clock & { set(ms: number): void; advance(ms: number): void }

/** A clock that stands until it is moved. Its sleeps end at once: nothing here waits by the clock. */
export const createTestClock = (startMs: number = Date.parse('2026-11-20T18:00:00Z')): TestClock => {
  let nowMs = startMs
  return {
    now: () => nowMs,
    sleep: async () => undefined,
    set(ms) {
      nowMs = ms
    },
    advance(ms) {
      nowMs += ms
    },
  }
}
