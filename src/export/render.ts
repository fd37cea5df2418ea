import { alignColumns } from '../text-table.ts'
import type { Adopted } from './adopt.ts'
import type { RunReport } from './exporter.ts'
import type { DestinationStatus, ExportStatus } from './status.ts'

const number = (value: number): string => value.toLocaleString('en-US')
/** `1 part`, `2,000 parts`. */
export const count = (value: number, one: string): string => `${number(value)} ${value === 1 ? one : `${one}s`}`

/** The report of a run, for people. */
export const renderReport = (report: RunReport): string => {
  const lines = [
    report.parts === 0
      ? 'Nothing new to export.'
      : `${count(report.events, 'event')} in ${count(report.parts, 'part')}.`,
  ]
  if (report.held !== null) lines.push(`Held back: ${report.held}`)
  for (const { destination, state, deliveries, error } of report.destinations)
    lines.push(`  ${destination.padEnd(8)}${count(deliveries, 'object')} ${state}${error ? `: ${error}` : ''}`)
  return `${lines.join('\n')}\n`
}

export const renderAdopted = (adopted: Adopted): string =>
  adopted.manifests === 0
    ? 'There is nothing to adopt: every manifest of this node is known.\n'
    : `Adopted ${count(adopted.manifests, 'manifest')} with ${count(adopted.events, 'event')}; the new epoch is ${adopted.epoch}.\n`

/** The state of deliveries, for people. */
export const renderStatus = (status: ExportStatus): string =>
  [
    `Epoch ${status.epoch}, ${count(status.parts, 'part')}; ${count(status.buffered.events, 'event')} in the buffer, ${number(status.unclaimed.events)} of them in no part yet.`,
    '',
    ...table([
      ['Destination', 'State', 'Last part', 'Waiting', 'Lag'],
      ...status.destinations.map((one) => [
        one.destination,
        one.state,
        one.last_part ? `${one.last_part.epoch}-${one.last_part.part}` : '–',
        count(one.events_waiting, 'event'),
        one.lag_seconds === 0 ? '–' : `${number(one.lag_seconds)} s`,
      ]),
    ]),
    ...status.destinations.filter(hasNews).map((one) => `\n${one.destination}: ${one.error ?? ''}${next(one)}`),
    '',
  ].join('\n')

const hasNews = (one: DestinationStatus): boolean => one.error !== null
const next = (one: DestinationStatus): string =>
  one.next_attempt_at === null ? '' : ` (tried ${count(one.attempts, 'time')}, again at ${one.next_attempt_at})`

const table = (rows: readonly (readonly string[])[]): string[] => alignColumns(rows, '  ')
