/** A small seeded generator (mulberry32), so that a failing run can be repeated by its printed seed. */
export const createRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = state
    x = Math.imul(x ^ (x >>> 15), x | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * The seed of a test: SEED, else a new one in a storm, and always the same one otherwise, so that a change is judged by what
 * it changes. Printed, so that a failure can be repeated.
 */
export const seedOf = (t: { comment(text: string): void }): number => {
  const seed = Number(process.env.SEED ?? (process.env.STORM ? Math.floor(Math.random() * 2 ** 31) : 20_261_101))
  t.comment(`SEED=${seed}`)
  return seed
}
