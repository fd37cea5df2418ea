const pollMs = 5
const untilMsMax = 20_000

/** Resolves to the first truthy answer; throws, naming what was awaited, when there is none in time. */
export const until = async <T>(
  what: string,
  ask: () => Promise<T> | T,
  msMax = untilMsMax,
): Promise<Exclude<T, false | undefined>> => {
  const end = Date.now() + msMax
  for (;;) {
    const answer = await ask()
    if (answer) return answer as Exclude<T, false | undefined>
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
