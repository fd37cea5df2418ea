import { quarterMs } from '../types.ts'

/** A local day, `2026-11-20`. */
export type Day = string
export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

export type Calendar = {
  readonly timeZone: string
  dayOf(instantMs: number): Day
  /** 0 to 23. */
  hourOf(instantMs: number): number
  /** The first instant of the day. */
  startOf(day: Day): number
  /** The first instant after it. */
  endOf(day: Day): number
}

const searchMs = 26 * hourMs
const rememberedMax = 100_000

/**
 * Days and hours of a time zone. Zones differ by whole quarters of an hour, so that an instant's day and hour are those
 * of its quarter, and are looked up once a quarter: asking Intl for each of a million events would cost seconds. A day's
 * start is found, not computed from an offset, so that it is right where midnight is skipped by daylight saving.
 */
export const createCalendar = (timeZone: string): Calendar => {
  const format = new Intl.DateTimeFormat('en-CA', {
    ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit' },
  })
  const remembered = new Map<number, { day: Day; hour: number }>()
  const starts = new Map<Day, number>()
  const at = (instantMs: number): { day: Day; hour: number } => {
    const quarter = Math.floor(instantMs / quarterMs)
    const known = remembered.get(quarter)
    if (known) return known
    if (remembered.size >= rememberedMax) remembered.clear()
    const text = format.format(quarter * quarterMs)
    const found = { day: text.slice(0, 10), hour: Number(text.slice(-2)) }
    remembered.set(quarter, found)
    return found
  }
  const startOf = (day: Day): number => {
    const known = starts.get(day)
    if (known !== undefined) return known
    const around = Date.parse(`${day}T00:00:00Z`)
    let before = Math.floor((around - searchMs) / quarterMs)
    let after = Math.ceil((around + searchMs) / quarterMs)
    while (after - before > 1) {
      const middle = (before + after) >> 1
      if (at(middle * quarterMs).day < day) before = middle
      else after = middle
    }
    starts.set(day, after * quarterMs)
    return after * quarterMs
  }
  return {
    timeZone,
    dayOf: (instantMs) => at(instantMs).day,
    hourOf: (instantMs) => at(instantMs).hour,
    startOf,
    endOf: (day) => startOf(addDays(day, 1)),
  }
}

export const addDays = (day: Day, days: number): Day =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)

export const daysBetween = (from: Day, to: Day): number => Math.round((Date.parse(to) - Date.parse(from)) / dayMs)

/** All days from one to another, both included. */
export const daysFrom = (from: Day, to: Day): Day[] =>
  Array.from({ length: Math.max(0, daysBetween(from, to) + 1) }, (_, index) => addDays(from, index))

/** 0 Monday to 6 Sunday. */
export const weekdayOf = (day: Day): number => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7

/** The Monday of the day's week. */
export const mondayOf = (day: Day): Day => addDays(day, -weekdayOf(day))

export const isoOf = (instantMs: number): string => new Date(instantMs).toISOString()
