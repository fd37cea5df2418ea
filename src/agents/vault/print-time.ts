/** An instant as people of a time zone write it: `2026-11-19 18:05`. The note says which zone. */
export const printTime = (instant: string, timeZone: string): string => {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(new Date(instant))
      .map(({ type, value }) => [type, value]),
  )
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}`
}

export const printDay = (instant: string, timeZone: string): string => printTime(instant, timeZone).slice(0, 10)

/** The last day of a half-open window. */
export const printLastDay = (to: string, timeZone: string): string =>
  printDay(new Date(Date.parse(to) - 1).toISOString(), timeZone)

const formats = new Map<string, Intl.DateTimeFormat>()
const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  const known = formats.get(timeZone)
  if (known) return known
  const format = new Intl.DateTimeFormat('en-CA', {
    ...{ timeZone, calendar: 'iso8601', numberingSystem: 'latn', hourCycle: 'h23' },
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
  })
  formats.set(timeZone, format)
  return format
}
