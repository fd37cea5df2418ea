import { AppError } from '../errors.ts'

/**
 * Money is a whole number of micro-dollars in a bigint: $1 = 1,000,000. One event at $0.01 per 1,000 is 10 of them, exactly.
 * JSON carries it as text, because a JSON number is a double for most readers.
 */
export type Micros = bigint

export const microsPerDollar = 1_000_000n

/** `199`, `0.01`, `-3.5`: dollars with up to six decimals. Throws `setting_invalid`. */
export const microsOfUsd = (text: string): Micros => {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,6}))?$/.exec(text)
  if (!match) throw new AppError('setting_invalid', `"${text}" is no amount in dollars such as 199 or 0.01.`)
  const [, sign, dollars = '0', decimals = ''] = match
  const micros = BigInt(dollars) * microsPerDollar + BigInt(decimals.padEnd(6, '0'))
  return sign === '-' ? -micros : micros
}

/** `209.00`, `0.012345`: two decimals at least, more where they are not zero. Exact. */
export const usdOfMicros = (micros: Micros): string => {
  const whole = micros < 0n ? -micros : micros
  const decimals = (whole % microsPerDollar)
    .toString()
    .padStart(6, '0')
    .replace(/0{1,4}$/, '')
  return `${micros < 0n ? '-' : ''}${whole / microsPerDollar}.${decimals}`
}

/** units × price / per, rounded half up to the micro-dollar. All of them at least 0; `per` above 0. */
export const proRata = (units: bigint, price: Micros, per: bigint): Micros => (units * price * 2n + per) / (per * 2n)

/** The price of each block that was begun. */
export const startedBlocks = (units: bigint, price: Micros, per: bigint): Micros => ((units + per - 1n) / per) * price
