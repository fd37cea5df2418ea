/** Longest wait for anything that a test waits for, in milliseconds. */
const waitMsMax = 60_000
const lookEveryMs = 25

/** Waits until the answer is true, and says what it was waiting for when that does not happen. */
export const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = Date.now() + waitMsMax
  while (!(await isSo())) {
    if (Date.now() > endMs) throw new Error(`${what}: not within ${waitMsMax} ms`)
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}
