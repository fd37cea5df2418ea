import type { Worker } from 'node:cluster'

/** What a collector process is told when it asks, over the channel that only its parent has. */
export type FleetOrder = { databaseUrl: string; upstream: string }
/** What it says: it is there and wants its order, it listens, or why it cannot. */
export type FleetReport = { asks: 'order' } | { address: string } | { failed: string }

/** Gives a collector process its order when it asks. Resolves when it has ended, to what it said was the reason. */
export const lifeOf = (
  child: Worker,
  order: FleetOrder,
  onListening: (address: string) => void,
): Promise<string | undefined> =>
  new Promise((resolve) => {
    let failed: string | undefined
    child.on('message', (report: FleetReport) => {
      if ('asks' in report && child.isConnected()) child.send(order)
      if ('address' in report) onListening(report.address)
      if ('failed' in report) failed = report.failed
    })
    // A message to one that has just died.
    child.on('error', () => {})
    child.once('exit', () => resolve(failed))
  })

/** Says something to the parent. */
export const report = (said: FleetReport): void => void process.send?.(said)

/** Asks the parent for the order, and resolves to it. */
export const askForOrder = (): Promise<FleetOrder> =>
  new Promise((resolve) => {
    process.on('message', (message: Partial<FleetOrder>) => {
      if (message.databaseUrl && message.upstream) resolve(message as FleetOrder)
    })
    report({ asks: 'order' })
  })
