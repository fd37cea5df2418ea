import type { Fact, FactUnit } from '../fact.ts'
import type { FactFormat } from '../narrative.ts'

/** What stands where there is no value. */
export const nothing = '–'

/** Made once: to make one takes a hundred times as long as to use it. */
const formats = [0, 1, 2, 3].map(
  (digits) => new Intl.NumberFormat('en-US', { minimumFractionDigits: 0, maximumFractionDigits: digits }),
)
const moneyFormat = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

const decimals = (value: number, digits: 0 | 1 | 2 | 3): string => formats[digits]?.format(value) ?? ''

export const printCount = (value: number): string => decimals(value, Number.isInteger(value) ? 0 : 1)

/** `45 s`, `3 min 5 s`, `2 h 10 min`, `7.5 days`. */
export const printSeconds = (seconds: number): string => {
  const whole = Math.round(seconds)
  if (seconds < 10) return `${decimals(seconds, 1)} s`
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return [`${Math.floor(whole / 60)} min`, ...(whole % 60 > 0 ? [`${whole % 60} s`] : [])].join(' ')
  if (whole < 172_800) {
    const minutes = Math.round((whole % 3_600) / 60)
    return [
      `${Math.floor(whole / 3_600) + (minutes === 60 ? 1 : 0)} h`,
      ...(minutes % 60 > 0 ? [`${minutes} min`] : []),
    ].join(' ')
  }
  return `${decimals(seconds / 86_400, 1)} days`
}

/** Of very small numbers the order of magnitude matters: `less than 0.001`. */
const printScore = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.001 ? (value < 0 ? 'more than −0.001' : 'less than 0.001') : decimals(value, 3)

const moneyOf = (value: number): string => moneyFormat.format(value)

/** A number in the natural way of its unit, as plain text: it still has to be escaped for its place. */
export const printValue = (value: number, unit: FactUnit, currency?: string): string => {
  switch (unit) {
    case 'share':
      return `${decimals(value * 100, 1)} %`
    case 'points':
      return `${decimals(value * 100, 1)} points`
    case 'percent':
      return `${decimals(value, 1)} %`
    case 'seconds':
      return printSeconds(value)
    case 'hours':
      return `${decimals(value, 1)} h`
    case 'days':
      return `${decimals(value, 1)} days`
    case 'usd':
      return value < 0 ? `-$${moneyOf(-value)}` : `$${moneyOf(value)}`
    case 'money':
      return `${moneyOf(value)} ${currency ?? ''}`.trim()
    case 'score':
      return printScore(value)
    case 'ratio':
      return decimals(value, 2)
    default:
      return printCount(value)
  }
}

export const printFact = (fact: Fact, format: FactFormat = 'value'): string => {
  const { value, unit, currency, interval, compare } = fact
  const print = (one: number): string => printValue(one, unit, currency)
  if (format === 'sample') return printCount(fact.n)
  if (value === null) return nothing
  switch (format) {
    case 'value':
      return print(value)
    case 'interval':
      return interval ? `${print(interval.low)} to ${print(interval.high)}` : print(value)
    case 'comparison':
      return compare ? print(compare.value) : nothing
    case 'difference': {
      if (!compare) return nothing
      const difference = Math.abs(value - compare.value)
      return printValue(difference, unit === 'share' ? 'points' : unit, currency)
    }
  }
}
