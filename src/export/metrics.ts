import { Counter, Gauge, register } from 'prom-client'
import type { Db } from '../db.ts'
import type { Destination, Fault } from '../storage/destination.ts'
import { selectStatus } from './status.ts'

/** What deliveries tell as they happen. One set for the process. */
export type ExportMetrics = {
  attempted(destination: string, outcome: 'verified' | Fault, bytes: number): void
  encoded(rows: number): void
}

const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
  (register.getSingleMetric(name) as Counter<L> | undefined) ?? new Counter({ name, help, labelNames: [...labelNames] })

const attempts = counter(
  'evothesis_export_attempts_total',
  'Attempts to deliver an object or a manifest, by outcome; quarantined: what was read back differs.',
  ['destination', 'outcome'],
)
const bytes = counter('evothesis_export_bytes_total', 'Bytes that were delivered and verified.', ['destination'])
const rows = counter('evothesis_export_rows_total', 'Rows that were encoded.', [])

export const exportMetrics: ExportMetrics = {
  attempted(destination, outcome, size) {
    attempts.inc({ destination, outcome })
    if (outcome === 'verified') bytes.inc({ destination }, size)
  },
  encoded: (count) => rows.inc(count),
}

const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
  (register.getSingleMetric(name) as Gauge<L> | undefined) ?? new Gauge({ name, help, labelNames: [...labelNames] })

/** Gauges that are read from the ledger when somebody scrapes: they are true also after a restart. */
export const watchStatus = (deps: { db: Db; destinations: readonly Destination[]; now: () => number }): void => {
  const lag = gauge('evothesis_export_lag_seconds', 'Age of the oldest event that has not arrived.', ['destination'])
  const parked = gauge('evothesis_export_parked', '1 while a destination refuses access.', ['destination'])
  const waiting = gauge('evothesis_export_parts_waiting', 'Parts that wait for a destination.', ['destination'])
  const quarantined = gauge('evothesis_export_parts_quarantined', 'Parts that were set aside.', ['destination'])
  const name = 'evothesis_export_events_buffered'
  register.removeSingleMetric(name)
  // One of them reads for all; a database that is away leaves the others as they were.
  new Gauge({
    ...{ name, help: 'Events in the buffer.' },
    async collect() {
      const status = await selectStatus(deps.db, deps.destinations, deps.now()).catch(() => undefined)
      if (!status) return
      this.set(status.buffered.events)
      for (const { destination, ...one } of status.destinations) {
        lag.set({ destination }, one.lag_seconds)
        parked.set({ destination }, Number(one.state === 'parked'))
        waiting.set({ destination }, one.parts_waiting)
        quarantined.set({ destination }, one.parts_quarantined)
      }
    },
  })
}
