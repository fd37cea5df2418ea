import { alignColumns } from '../text-table.ts'
import type { Fact } from './fact.ts'
import type { LatestDays } from './read-vault-input.ts'
import type { DropoffAlert } from './report.ts'
import type { RunReport } from './run.ts'
import type { AgentsStatus } from './status.ts'
import type { VaultStatus } from './vault/note-rows.ts'
import type { VaultReport } from './vault/work.ts'

const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 })
const shown = ({ value, unit, currency }: Fact): string => {
  if (value === null) return '–'
  if (unit === 'share') return `${(value * 100).toFixed(1)} %`
  if (unit === 'usd') return `$${value.toFixed(2)}`
  return unit === 'money' ? `${value.toFixed(2)} ${currency ?? ''}` : number(value)
}
/** Sites are what senders say: nothing that a terminal obeys is printed. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 60) || '(none)'

const table = (rows: readonly (readonly string[])[]): string[] => alignColumns(rows, '  ')
const lines = (all: readonly string[]): string => `${all.join('\n')}\n`
/** Rows of days that are shown. */
export const rowsShownMax = 40

export const renderRun = (
  report: RunReport,
  input: LatestDays,
  { date, site }: { date?: string | undefined; site?: string | undefined } = {},
): string =>
  lines([
    report.runId === null
      ? `Nothing new${report.asOf === null ? ': no event has come yet' : ` since ${report.asOf}`}.`
      : `Read ${number(report.events)} events; ${number(report.reports)} reports changed, ${number(report.judgedDays)} days judged, ${number(report.alertsOpened)} ${report.alertsOpened === 1 ? 'alert' : 'alerts'} opened.`,
    ...(input.days.length > 0 ? ['', ...renderDays(input)] : []),
    ...(input.days.length === 0 && (date ?? site) !== undefined
      ? [
          `There are no figures${site === undefined ? '' : ` of ${plain(site)}`}${date === undefined ? '' : ` on ${date}`}.`,
        ]
      : []),
    ...renderAlerts(input.alerts.filter(({ state }) => state === 'open')),
  ])

const renderDays = ({ days, earlier }: LatestDays): string[] => [
  ...table([
    ['Day', 'Site', 'Sessions', 'Visitors', 'Orders', 'Conversion', 'Revenue', 'Tracking'],
    ...days.map(({ day, rawSite, totals, quality, isComplete }) => [
      `${day}${isComplete ? '' : ' …'}`,
      plain(rawSite),
      shown(totals.sessions),
      shown(totals.visitors),
      shown(totals.orders),
      shown(totals.conversionRate),
      shown(totals.revenue),
      quality.level === 'red' ? 'not judged' : quality.level,
    ]),
  ]),
  ...(earlier > 0 ? [`  … and ${earlier} earlier; --json has all`] : []),
]

const renderAlerts = (alerts: readonly DropoffAlert[]): string[] =>
  alerts.length === 0
    ? []
    : [
        '',
        'Open alerts:',
        ...table(
          alerts.map(({ severity, rawSite, funnelName, fromStep, toStep, current, baseline, window }) => [
            severity,
            plain(rawSite),
            `${funnelName}: ${fromStep} to ${toStep}`,
            `${shown(current)} lost, ${shown(baseline)} expected (n = ${number(current.n)})`,
            `from ${window.from.slice(0, 10)} on`,
          ]),
        ),
      ]

type VaultPlaces = VaultStatus & { folder: string; destination: string }

/** What was written and delivered, and where it lies. */
export const renderNotes = (notes: VaultReport, { folder, destination, pending }: VaultPlaces): string =>
  lines([
    '',
    notes.written === 0
      ? `Notes in ${folder}: nothing new.`
      : `Notes in ${folder}: ${number(notes.written)} files written${notes.conflicts > 0 ? `, ${number(notes.conflicts)} with words of yours where there are new ones` : ''}.`,
    ...(notes.taken > 0 ? [`Taken over from ${destination}: ${number(notes.taken)} changed notes.`] : []),
    ...(notes.problems > 0 ? [`${number(notes.problems)} files could not be written; the log says why.`] : []),
    notes.error === null
      ? `Delivered to ${destination}: ${notes.delivered === 0 ? 'nothing new' : `${number(notes.delivered)} files`}.`
      : `Not delivered, ${number(pending)} files wait for the next run: ${notes.error}`,
  ])

const renderVault = ({ folder, destination, notes, pending, ...rest }: VaultPlaces): string[] => [
  '',
  `Vault: ${folder}, ${number(Object.values(notes).reduce((all, count) => all + count, 0))} files${
    Object.keys(notes).length > 0
      ? ` (${Object.entries(notes)
          .map(([kind, count]) => `${number(count)} ${kind}`)
          .join(', ')})`
      : ''
  }; last written ${rest.last_written_at ?? 'never'}.`,
  `Delivery: ${destination}, last ${rest.last_delivered_at ?? 'never'}; ${pending === 0 ? 'nothing waits' : `${number(pending)} files wait`}${
    rest.delivery_error === null ? '.' : `: ${rest.delivery_error}`
  }`,
]

export const renderStatus = (status: AgentsStatus & { vault: VaultPlaces }): string =>
  lines([
    status.unread.batches === 0
      ? 'Everything is read.'
      : `${number(status.unread.events)} events in ${number(status.unread.batches)} batches are not read yet.`,
    `Figures reach ${status.as_of ?? 'nothing yet'}.`,
    `Kept: ${number(status.kept.sessions)} sessions of ${number(status.kept.visitors)} visitors, ${number(status.kept.users)} identified users, ${number(status.kept.facts)} facts.`,
    ...(Object.keys(status.reports).length > 0
      ? [
          `Reports: ${Object.entries(status.reports)
            .map(([kind, count]) => `${number(count)} ${kind}`)
            .join(', ')}.`,
        ]
      : []),
    ...renderVault(status.vault),
    ...(status.texts.kept + status.texts.refused > 0
      ? [
          `Texts by Claude: ${number(status.texts.kept)} kept; ${number(status.texts.refused)} where the plain text stands.`,
        ]
      : []),
    ...(status.open_alerts.length > 0
      ? [
          '',
          'Open alerts:',
          ...table(
            status.open_alerts.map((one) => [one.severity, plain(one.site), one.funnel, `since ${one.opened_at}`]),
          ),
        ]
      : []),
    ...(status.runs.length > 0
      ? [
          '',
          ...table([
            ['Run', 'Kind', 'Started', 'Events', 'Reports', ''],
            ...status.runs.map((run) => [
              ...[String(run.run_id), run.kind, run.started_at, number(run.events), number(run.reports)],
              run.error ?? (run.ended_at === null ? 'under way, or interrupted' : 'done'),
            ]),
          ]),
        ]
      : []),
  ])
