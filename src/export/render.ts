import type { Adopted } from './adopt.ts'
import type { RunReport } from './exporter.ts'
import type { DestinationStatus, ExportStatus } from './status.ts'

const number = (value: number): string => value.toLocaleString('en-US')

/** The report of a run, for people. */
export const renderReport = (report: RunReport): string => {
  const lines = [
    report.parts === 0 ? 'Nothing new to export.' : `${number(report.events)} events in ${number(report.parts)} parts.`,
  ]
  if (report.held !== null) lines.push(`Held back: ${report.held}`)
  for (const { destination, state, deliveries, error } of report.destinations)
    lines.push(`  ${destination.padEnd(8)}${number(deliveries)} objects ${state}${error ? `: ${error}` : ''}`)
  return `${lines.join('\n')}\n`
}

export const renderAdopted = (adopted: Adopted): string =>
  adopted.manifests === 0
    ? 'There is nothing to adopt: every manifest of this node is known.\n'
    : `Adopted ${number(adopted.manifests)} manifests with ${number(adopted.events)} events; the new epoch is ${adopted.epoch}.\n`

/** The state of deliveries, for people. */
export const renderStatus = (status: ExportStatus): string =>
  [
    `Epoch ${status.epoch}, ${number(status.parts)} parts; ${number(status.buffered.events)} events in the buffer, ${number(status.unclaimed.events)} of them in no part yet.`,
    '',
    ...table([
      ['Destination', 'State', 'Last part', 'Waiting', 'Lag'],
      ...status.destinations.map((one) => [
        one.destination,
        one.state,
        one.last_part ? `${one.last_part.epoch}-${one.last_part.part}` : '–',
        `${number(one.events_waiting)} events`,
        one.lag_seconds === 0 ? '–' : `${number(one.lag_seconds)} s`,
      ]),
    ]),
    ...status.destinations.filter(hasNews).map((one) => `\n${one.destination}: ${one.error ?? ''}${next(one)}`),
    '',
  ].join('\n')

const hasNews = (one: DestinationStatus): boolean => one.error !== null
const next = (one: DestinationStatus): string =>
  one.next_attempt_at === null ? '' : ` (tried ${one.attempts} times, again at ${one.next_attempt_at})`

const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2)).join('')}`.trimEnd())
}
