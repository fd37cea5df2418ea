import { AppError } from '../errors.ts'
import { quarterMs } from '../types.ts'

/** A calendar month, `2026-11`. */
export type Month = string

/** 1970 to 2999: beyond, texts of years do not sort as years do. */
const monthPattern = /^(?:19[7-9]\d|2\d{3})-(?:0[1-9]|1[0-2])$/

/** Throws `request_invalid` for anything but YYYY-MM of a sensible year. */
export const parseMonth = (text: string): Month => {
  if (monthPattern.test(text)) return text
  throw new AppError('request_invalid', `${text} is not a month such as 2026-11.`)
}

export const addMonths = (month: Month, months: number): Month => {
  const [year = 0, number = 1] = month.split('-').map(Number)
  const index = year * 12 + number - 1 + months
  return `${String(Math.floor(index / 12)).padStart(4, '0')}-${String((index % 12) + 1).padStart(2, '0')}`
}

const formats = new Map<string, Intl.DateTimeFormat>()
const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  let format = formats.get(timeZone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
    formats.set(timeZone, format)
  }
  return format
}
const localMonth = (instantMs: number, timeZone: string): Month => formatOf(timeZone).format(instantMs).slice(0, 7)

/** Zones lie between UTC-12 and UTC+14; a day is wide enough. */
const searchMs = 24 * 3600 * 1000

/**
 * The first instant of a month in a time zone, in milliseconds since 1970: found, not computed from an offset, so that it
 * is right where midnight is skipped by daylight saving, and where a zone jumped over a whole day. Always a whole quarter
 * of an hour: no zone of today has an offset finer than that. Half-open: the month ends where the next one starts.
 */
export const monthStart = (month: Month, timeZone: string): number => {
  const aroundMs = Date.parse(`${month}-01T00:00:00Z`)
  // Invariant: at `before` it is an earlier month there, at `after` it is this one.
  let before = Math.floor((aroundMs - searchMs) / quarterMs)
  let after = Math.ceil((aroundMs + searchMs) / quarterMs)
  while (after - before > 1) {
    const middle = (before + after) >> 1
    if (localMonth(middle * quarterMs, timeZone) < month) before = middle
    else after = middle
  }
  return after * quarterMs
}

/** The month an instant lies in, there. */
export const monthAt = (instantMs: number, timeZone: string): Month => localMonth(instantMs, timeZone)
