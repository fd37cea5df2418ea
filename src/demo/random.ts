/** A stream of repeatable draws. Two streams with equal seeds draw the same, on every machine. */
export type Random = {
  /** Uniform in [0, 1), with 32 bits. */
  next(): number
  /** An integer in [0, end). */
  below(end: number): number
  between(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** An index, drawn with the given cumulative weights (see `cumulative`). */
  draw(weights: Float64Array): number
  /** Log-normal around a median: what waiting and reading times look like. */
  logNormal(median: number, sigma: number): number
  /** A version 4 UUID. */
  uuid(): string
  /** Letters and digits, as the pixel's ids have them. */
  letters(length: number): string
}

const hexPairs = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'))
const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'

/**
 * The small fast counting generator sfc32 (Doty-Humphrey, PractRand), seeded by up to four numbers: a stream for each
 * person, each session and each purpose, so that what one draws never moves what another draws.
 */
export const createRandom = (...seeds: [number, number?, number?, number?]): Random => {
  let a = mix(seeds[0] ^ 0x9e3779b9)
  let b = mix((seeds[1] ?? 0) ^ a)
  let c = mix((seeds[2] ?? 0) ^ b)
  let counter = mix((seeds[3] ?? 0) ^ c)
  const bits = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 12; round++) bits()
  const next = (): number => bits() / 0x1_0000_0000
  const below = (end: number): number => Math.floor(next() * end)
  const pair = (word: number, shift: number): string => hexPairs[(word >>> shift) & 255] ?? '00'
  return {
    next,
    below,
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    pick: <T>(items: readonly T[]): T => items[below(items.length)] as T,
    draw(weights) {
      const mark = next() * (weights[weights.length - 1] ?? 0)
      let index = 0
      while (index < weights.length - 1 && mark >= (weights[index] ?? 0)) index++
      return index
    },
    logNormal(median, sigma) {
      const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
      return median * Math.exp(sigma * normal)
    },
    uuid() {
      const [w, x, y, z] = [bits(), (bits() & 0xffff0fff) | 0x4000, (bits() & 0x3fffffff) | 0x80000000, bits()]
      return (
        `${pair(w, 24)}${pair(w, 16)}${pair(w, 8)}${pair(w, 0)}-${pair(x, 24)}${pair(x, 16)}-${pair(x, 8)}${pair(x, 0)}-` +
        `${pair(y, 24)}${pair(y, 16)}-${pair(y, 8)}${pair(y, 0)}${pair(z, 24)}${pair(z, 16)}${pair(z, 8)}${pair(z, 0)}`
      )
    },
    letters(length) {
      let text = ''
      for (let index = 0; index < length; index++) text += alphabet[below(36)]
      return text
    },
  }
}

/** Weights as running sums, for `draw`. */
export const cumulative = (weights: readonly number[]): Float64Array => {
  const sums = new Float64Array(weights.length)
  let sum = 0
  for (const [index, weight] of weights.entries()) {
    sum += weight
    sums[index] = sum
  }
  return sums
}

/** The finalizer of MurmurHash3 (Appleby): every bit of the seed reaches every bit of the state. */
const mix = (seed: number): number => {
  let hash = seed | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) | 0
}
