/** Lets the delivery loops wait for the next encoded part, or for the end of encoding. */
export const createGate = () => {
  let opened = 0
  let finished = false
  let wake: (() => void)[] = []
  const wakeAll = () => {
    const sleeping = wake
    wake = []
    for (const resolve of sleeping) resolve()
  }
  return {
    count: () => opened,
    open() {
      opened++
      wakeAll()
    },
    finish() {
      finished = true
      wakeAll()
    },
    /** True when something was opened after `seen`; false when nothing more will be. */
    async waitBeyond(seen: number): Promise<boolean> {
      while (opened <= seen) {
        if (finished) return false
        await new Promise<void>((resolve) => wake.push(resolve))
      }
      return true
    },
  }
}
