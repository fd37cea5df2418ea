/** What doctor found of one thing. `warn` wants a look soon, `fail` now; `skipped` could not be asked, and says why. */
export type Check = {
  name: string
  state: 'ok' | 'warn' | 'fail' | 'skipped'
  found: string
  /** What to do about it. */
  advice?: string
}

export const ok = (name: string, found: string): Check => ({ name, state: 'ok', found })
export const skipped = (name: string, found: string): Check => ({ name, state: 'skipped', found })
export const warn = (name: string, found: string, advice: string): Check => ({ name, state: 'warn', found, advice })
export const fail = (name: string, found: string, advice: string): Check => ({ name, state: 'fail', found, advice })

/** `fail` below or at the one mark, `warn` below or at the other, for a figure of which more is better. */
export const atLeast = (
  name: string,
  value: number,
  marks: { warn: number; fail: number },
  found: string,
  advice: string,
): Check =>
  (value <= marks.fail ? fail : value <= marks.warn ? warn : (n: string, f: string) => ok(n, f))(name, found, advice)
