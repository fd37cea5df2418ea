import { alignColumns } from '../text-table.ts'
import type { DomainRow } from './domains.ts'
import { usdOfMicros } from './money.ts'
import type { Reconciliation } from './reconcile.ts'
import type { UsageReport } from './report.ts'
import type { DomainScan } from './scan-domains.ts'
import type { Statement } from './statement.ts'

const number = (value: number): string => value.toLocaleString('en-US')
/** `1 domain`, `1,200 domains`. */
const counted = (value: number, noun: string): string => `${number(value)} ${noun}${value === 1 ? '' : 's'}`
const usd = (micros: string): string => usdOfMicros(BigInt(micros))

const table = (rows: readonly (readonly string[])[]): string[] => alignColumns(rows, '  ')
const lines = (all: readonly string[]): string => `${all.join('\n')}\n`
/** Rows of a table for people; --json has all. */
const shownMax = 50
const more = (hidden: number): string[] => (hidden > 0 ? [`  … and ${number(hidden)} more`] : [])

export const renderUsage = (report: UsageReport): string =>
  lines([
    `${report.month} (${report.timezone}): ${counted(report.events, 'event')}, ${counted(report.pageviews, 'pageview')}; ${number(report.rejected)} rejected, ${counted(report.duplicates, 'duplicate')}.`,
    `Billable: ${counted(report.billable_usage.events, 'event')}, ${counted(report.billable_usage.pageviews, 'pageview')} on ${counted(report.billable_usage.domains, 'domain')}; plan ${report.plan}: $${report.amount_usd} so far.`,
    ...(report.forecast
      ? [`At this pace: ${number(report.forecast[report.meter])} ${report.meter}, $${report.forecast.amount_usd}.`]
      : []),
    ...(report.advice ? [`Plan ${report.advice.plan} would cost $${report.advice.saves_usd} less.`] : []),
    '',
    ...table([
      ['Site', 'Domain', 'State', 'Events', 'Pageviews'],
      ...report.sites
        .slice(0, shownMax)
        .map((one) => [one.site || '(none)', one.domain, one.state, number(one.events), number(one.pageviews)]),
    ]),
    ...more(report.sites.length - shownMax + report.sites_unlisted),
  ])

export const renderDomains = (domains: readonly DomainRow[], scan: DomainScan | null): string =>
  lines([
    ...(domains.length === 0
      ? ['No domain yet. The server looks every minute; localhost, .test, .example and the like are never billed.', '']
      : []),
    ...table([
      ['Domain', 'State', 'Pageviews', 'Visitors', 'Addresses', 'First seen'],
      ...domains
        .slice(0, shownMax)
        .map((one) => [
          ...[one.domain, one.state, number(one.pageviews), number(one.visitors), number(one.addresses)],
          one.firstSeen ?? '–',
        ]),
    ]),
    ...more(domains.length - shownMax),
    ...domains.slice(0, shownMax).flatMap((one) => one.suspicions.map((text) => `  ${one.domain}: ${text}`)),
    ...(scan && scan.unlistedDomains > 0
      ? [
          '',
          `${number(scan.unlistedDomains)} more domains with ${number(scan.unlistedEvents)} events are not listed; nothing of them is billed.`,
          ...(scan.busiestAddress
            ? [`One address, ${scan.busiestAddress}, sent for ${number(scan.busiestDomains)} of the sampled ones.`]
            : []),
        ]
      : []),
    '',
    'Approve or block: evothesis billing domains approve|block DOMAIN',
  ])

export const renderStatement = (one: Statement): string =>
  lines([
    `Statement ${one.month}, revision ${one.revision}, of ${one.client_id}: ${one.starts_at} to ${one.ends_at} (${one.timezone})`,
    `Plan ${one.terms.plan}; ${counted(one.billable.events, 'event')}, ${counted(one.billable.pageviews, 'pageview')} on ${counted(one.billable.domains, 'domain')}.`,
    ...(one.pending_events > 0
      ? [`${number(one.pending_events)} events had not been delivered; they come on a revision.`]
      : []),
    '',
    ...table([
      ...one.lines.map((line) => [line.item, number(line.quantity), `$${usd(line.amount_micros)}`]),
      ...one.adjustments.map((each) => [`${each.month} revision ${each.revision}`, '', `$${usd(each.amount_micros)}`]),
      ['Total', '', `$${one.total_usd}`],
    ]),
    ...(one.delta ? [`  Change to the revision before: $${usd(one.delta.amount_micros)}`] : []),
    ...(one.advice ? [`  Plan ${one.advice.plan} would have cost $${usd(one.advice.saves_micros)} less.`] : []),
  ])

export const renderReconciliation = (one: Reconciliation): string =>
  lines([
    `${one.client} ${one.month}`,
    ...table([
      ...(one.received
        ? [['received', `${number(one.received.events)} events`, `${number(one.received.pageviews)} pageviews`]]
        : []),
      ...Object.entries(one.delivered).map(([place, counts]) => [
        ...[`delivered to ${place}`, `${number(counts.events)} events`, `${number(counts.pageviews)} pageviews`],
      ]),
      ...one.nodes.map((node) => [
        `  of node ${node.node}`,
        `${number(node.events)} events`,
        `${number(node.pageviews)} pageviews`,
      ]),
      ...(one.billed
        ? [
            ['billed', `${number(one.billed.events)} events`, `${number(one.billed.pageviews)} pageviews`],
            ['', `$${one.billed.total_usd}`, `revision ${one.billed.revision}`],
          ]
        : []),
    ]),
    ...one.pending.map((text) => `  pending: ${text}`),
    ...one.differences.map((text) => `  DIFFERENCE: ${text}`),
    one.differences.length === 0 ? '  No differences.' : `  ${number(one.differences.length)} differences.`,
  ])
