/** Resolves at the first Ctrl-C, SIGTERM, or SIGHUP (the terminal was closed). A second Ctrl-C ends the process at once, without order. */
export const stopRequested = (): Promise<void> =>
  new Promise((resolve) => {
    let asked = false
    const stop = (signal: NodeJS.Signals) => {
      // A terminal and npm may both send the first one.
      if (asked && signal === 'SIGINT' && Date.now() - askedAt > 500) process.exit(130)
      if (!asked) askedAt = Date.now()
      asked = true
      resolve()
    }
    let askedAt = 0
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    process.on('SIGHUP', stop)
  })
