const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })
const clockTime = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
const formats = new Map<string, Intl.DateTimeFormat>()
/** The year is said where it is not this one. */
const dateFormat = (at: Date, more: Intl.DateTimeFormatOptions, timeZone = 'UTC'): string => {
  const isThisYear = at.getUTCFullYear() === new Date().getUTCFullYear()
  const options: Intl.DateTimeFormatOptions = {
    ...{ timeZone, day: 'numeric', month: 'short', ...more },
    ...(!isThisYear && { year: 'numeric' }),
  }
  const key = JSON.stringify(options)
  const format = formats.get(key) ?? new Intl.DateTimeFormat('en', options)
  formats.set(key, format)
  return format.format(at)
}

export const count = (value: number): string => whole.format(value)
export const compact = (value: number): string => short.format(value)
export const share = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : percent.format(value)
/** All times of the console are UTC, as those of files and hours are. */
export const dayText = (iso: string, timeZone?: string): string => dateFormat(new Date(iso), {}, timeZone)
export const timeText = (iso: string | null | undefined): string =>
  iso ? `${dateFormat(new Date(iso), clockTime)} UTC` : '–'
export const bytesText = (bytes: number): string => {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${(bytes / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`
}
export const durationText = (seconds: number): string => {
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`
export const hoursAgo = (hours: number): string =>
  new Date(Math.floor(Date.now() / 3_600_000 - hours) * 3_600_000).toISOString()
/** The end of the running hour, so that it is in the range. */
export const hourEnd = (): string => new Date(Math.ceil((Date.now() + 1) / 3_600_000) * 3_600_000).toISOString()
