import { createTask, type ScheduledTask, validate } from 'node-cron'

/**
 * A schedule in words as a cron expression in UTC: `hourly` (at minute 1, when the hour is complete), `daily` (00:05),
 * `every N minutes`, a cron expression as it is; undefined for `off`. Throws for anything else.
 */
export const cronOf = (schedule: string): string | undefined => {
  const words = schedule.trim().toLowerCase()
  if (words === 'off') return undefined
  if (words === 'hourly') return '1 * * * *'
  if (words === 'daily') return '5 0 * * *'
  const minutes = Number(/^every (\d+) minutes?$/.exec(words)?.[1])
  // Other numbers of minutes would not divide the hour evenly: cron starts again at minute 0.
  if (minutes === 60) return '0 * * * *'
  if (minutes >= 1 && minutes < 60 && 60 % minutes === 0) return minutes === 1 ? '* * * * *' : `*/${minutes} * * * *`
  if (validate(schedule)) return schedule
  throw new Error('must be hourly, daily, every N minutes (N divides 60), a cron expression, or off')
}

/** How long it is from one run to the next, in milliseconds; a day where it differs. Undefined for `off`. */
export const scheduleIntervalMs = (schedule: string): number | undefined => {
  const cron = cronOf(schedule)
  if (cron === undefined) return undefined
  const [minute = '', ...rest] = cron.split(' ')
  const isEveryHour = rest.every((field) => field === '*')
  if (isEveryHour && minute === '*') return 60_000
  const step = Number(/^\*\/(\d+)$/.exec(minute)?.[1])
  if (isEveryHour && step > 0) return step * 60_000
  return isEveryHour && /^\d+$/.test(minute) ? 3_600_000 : 86_400_000
}

export type Schedule = { next(): Date | undefined; stop(): void }

/** Runs `work` on the schedule; a run that is still under way at the next time is joined, not doubled. */
export const startSchedule = (schedule: string, work: () => void): Schedule => {
  const cron = cronOf(schedule)
  if (cron === undefined) return { next: () => undefined, stop() {} }
  const task: ScheduledTask = createTask(cron, work, { timezone: 'UTC', noOverlap: true })
  void task.start()
  return { next: () => task.getNextRun() ?? undefined, stop: () => void task.destroy() }
}
