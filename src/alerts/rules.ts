import { readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { diskOf } from '../disk.ts'
import { scheduleIntervalMs } from '../schedule.ts'

export type Severity = 'critical' | 'warning'
/** Something that is not as it should be. `text` is a sentence for people; no secrets, no ids of people. */
export type Finding = { subject: string; text: string }

export type RuleDeps = {
  db: Db
  clock: Clock
  config: Config
  /** What lies in the spools on this disk. */
  spooled: () => Promise<{ bytes: number; oldestMs: number | undefined }>
  /** When the latest whole backup of this node was made; undefined when there is none. */
  latestBackupMs: (() => Promise<number | undefined>) | undefined
}

/** A rule of the one rule set. docs/operations.md has a section for each, under its name. */
export type Rule = {
  alert: string
  severity: Severity
  /** Between two looks, in milliseconds. */
  everyMs: number
  /** True where another part of the program tells the endpoints; it is listed, logged and counted all the same. */
  isToldElsewhere?: boolean
  /** What is wrong now. Throws when it cannot tell: then nothing changes. */
  check(deps: RuleDeps): Promise<Finding[]>
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Beyond its schedule, an export may be late by this. */
const lagGraceMs = 2 * hourMs
/** A site that brought as many events in the day before is not expected to be silent for an hour. */
const silentMs = hourMs
const eventsOfDayMin = 2_400
/** An erasure takes minutes; the law gives a month. */
const erasureAgeMsMax = 24 * hourMs
const spoolAgeMsMax = 10 * minuteMs
const spoolShareMax = 0.8
const memoryShareMin = 0.05
const certificateDaysMin = 14
const backupAgeMsMax = 26 * hourMs

export const rules: readonly Rule[] = [
  {
    ...{ alert: 'export_lag', severity: 'critical', everyMs: minuteMs },
    async check({ db, clock, config }) {
      const intervalMs = scheduleIntervalMs(config.EXPORT_SCHEDULE)
      if (intervalMs === undefined) return []
      const rows = await db.query<{ destination: string; oldest: number }>(
        `select destination, (extract(epoch from min(oldest)) * 1000)::bigint as oldest
         from (select destination, p.received_min as oldest
               from deliveries d join export_parts p using (part_id) where d.state in ('pending', 'parked')
               union all
               select destination, p.received_min from export_parts p, unnest(destinations) as destination
               where manifest is null and not adopted
               union all
               select destination, created_min from batches, unnest(array['client', 'backup']) as destination
               where part_id is null and events > 0) waiting
         where oldest is not null group by 1 order by 1`,
      )
      return rows
        .map((row) => ({ ...row, lateMs: clock.now() - row.oldest }))
        .filter((row) => row.lateMs > intervalMs + lagGraceMs)
        .map(({ destination, lateMs }) => ({
          subject: destination,
          text: `The ${destination} destination is ${hoursText(lateMs)} behind. The events are safe in the buffer.`,
        }))
    },
  },
  {
    ...{ alert: 'export_parked', severity: 'critical', everyMs: minuteMs },
    async check({ db }) {
      const rows = await db.query<{ destination: string; parts: number; error: string | null }>(
        `select destination, count(distinct part_id) as parts, max(error) as error
         from deliveries where state = 'parked' group by 1 order by 1`,
      )
      return rows.map(({ destination, parts, error }) => ({
        subject: destination,
        text: `The ${destination} destination refuses access; ${parts} parts wait until it is mended: ${error ?? 'no reason was given'}`,
      }))
    },
  },
  {
    ...{ alert: 'export_quarantined', severity: 'critical', everyMs: minuteMs },
    async check({ db }) {
      const rows = await db.query<{ subject: string; text: string }>(
        `select 'part ' || epoch || '-' || seq as subject, 'Part ' || seq || ' is set aside: ' || quarantined as text
         from export_parts where quarantined is not null
         union all
         select 'part ' || epoch || '-' || seq || ' ' || destination,
                'Part ' || seq || ' is set aside in the ' || destination || ' destination: ' || coalesce(max(error), '')
         from deliveries join export_parts using (part_id) where state = 'quarantined' group by epoch, seq, destination
         order by 1 limit 20`,
      )
      return rows
    },
  },
  {
    ...{ alert: 'erasure_late', severity: 'warning', everyMs: 5 * minuteMs },
    async check({ db, clock }) {
      const [row] = await db.query<{ erasures: number; oldest: number | null; room: string | null }>(
        `select count(*) as erasures, (extract(epoch from min(requested_at)) * 1000)::bigint as oldest,
                string_agg(distinct case when spool_done_at is null then 'the spool' when export_done_at is null
                                         then 'delivered files' when collect_done_at is null then 'rejects' else 'notes' end, ', ') as room
         from erasures where finished_at is null and requested_at < to_timestamp($1::float8 / 1000)`,
        [clock.now() - erasureAgeMsMax],
      )
      if (row?.oldest == null) return []
      const which = row.erasures === 1 ? 'A person waits' : `${row.erasures} people wait`
      return [
        {
          subject: '',
          text: `${which} to be forgotten, the longest for ${hoursText(clock.now() - row.oldest)}; still to do: ${row.room}.`,
        },
      ]
    },
  },
  {
    ...{ alert: 'collect_silent', severity: 'warning', everyMs: 5 * minuteMs },
    async check({ db, clock }) {
      const [row] = await db.query<{ last: number | null; events: number }>(
        `select (extract(epoch from greatest((select max(stored_at) from batches where events > 0),
                                             (select max(received_max) from export_parts))) * 1000)::bigint as last,
                (select coalesce(sum(events), 0)::bigint from (
                   select s.events, quarter from batch_sites s join batches b using (batch_id) where b.part_id is null
                   union all select events, quarter from part_usage) u
                 where quarter >= to_timestamp($1::float8 / 1000) - interval '25 hours'
                   and quarter < to_timestamp($1::float8 / 1000) - interval '1 hour') as events`,
        [clock.now()],
      )
      if (row?.last == null || row.events < eventsOfDayMin || clock.now() - row.last < silentMs) return []
      return [
        {
          subject: '',
          text: `No event has come for ${hoursText(clock.now() - row.last)}; the day before brought ${row.events}.`,
        },
      ]
    },
  },
  {
    ...{ alert: 'disk_low', severity: 'critical', everyMs: minuteMs },
    async check({ config }) {
      const { freePercent, freeBytes } = await diskOf(config.DATA_DIR)
      if (freePercent >= config.DISK_LOW_PERCENT) return []
      return [
        { subject: '', text: `The disk has ${(freeBytes / 1e9).toFixed(1)} GB left (${freePercent.toFixed(0)} %).` },
      ]
    },
  },
  {
    ...{ alert: 'memory_low', severity: 'warning', everyMs: minuteMs },
    async check() {
      const share = await availableMemoryShare()
      if (share === undefined || share >= memoryShareMin) return []
      return [{ subject: '', text: `The machine has ${(share * 100).toFixed(0)} % of its memory left.` }]
    },
  },
  {
    ...{ alert: 'spool_old', severity: 'critical', everyMs: minuteMs },
    async check({ clock, config, spooled }) {
      const { bytes, oldestMs } = await spooled()
      if (oldestMs === undefined) return []
      const ageMs = clock.now() - oldestMs
      const isFull = bytes > spoolShareMax * config.SPOOL_BYTES_MAX
      if (ageMs < spoolAgeMsMax && !isFull) return []
      const megabytes = Math.round(bytes / 1e6)
      return [
        {
          subject: '',
          text: `${megabytes} MB of events wait on the disk for the database, the oldest for ${hoursText(ageMs)}; at ${Math.round(config.SPOOL_BYTES_MAX / 1e6)} MB new ones are refused.`,
        },
      ]
    },
  },
  {
    ...{ alert: 'certificate_ending', severity: 'critical', everyMs: hourMs },
    async check({ clock, config }) {
      if (!config.PUBLIC_URL?.startsWith('https:')) return []
      const endsMs = await certificateEnd(new URL(config.PUBLIC_URL))
      const days = Math.floor((endsMs - clock.now()) / (24 * hourMs))
      if (days >= certificateDaysMin) return []
      return [{ subject: '', text: `The certificate of ${new URL(config.PUBLIC_URL).host} ends in ${days} days.` }]
    },
  },
  {
    ...{ alert: 'backup_old', severity: 'critical', everyMs: hourMs },
    async check({ clock, config, latestBackupMs }) {
      if (config.BACKUP_SCHEDULE === 'off' || !latestBackupMs) return []
      const latest = await latestBackupMs()
      if (latest !== undefined && clock.now() - latest < backupAgeMsMax) return []
      const age =
        latest === undefined ? 'There is no backup' : `The latest backup is ${hoursText(clock.now() - latest)} old`
      return [{ subject: '', text: `${age}; one should be made ${config.BACKUP_SCHEDULE}.` }]
    },
  },
  {
    ...{ alert: 'webhook_disabled', severity: 'warning', everyMs: minuteMs, isToldElsewhere: true },
    async check({ db }) {
      const rows = await db.query<{ subject: string; reason: string | null }>(
        `select name as subject, disabled_reason as reason from webhook_endpoints where state = 'disabled' order by name`,
      )
      return rows.map(({ subject, reason }) => ({
        subject,
        text: `The webhook endpoint ${subject} is disabled: ${reason ?? 'by hand'}.`,
      }))
    },
  },
]

const hoursText = (ms: number): string =>
  ms < 2 * hourMs ? `${Math.round(ms / minuteMs)} minutes` : `${Math.round(ms / hourMs)} hours`

/** Of the machine, as Linux says; undefined elsewhere. */
const availableMemoryShare = async (): Promise<number | undefined> => {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
  const share = of('MemAvailable') / of('MemTotal')
  return Number.isFinite(share) ? share : undefined
}

const tlsMsMax = 10_000

/** When the certificate that this host shows ends. An untrusted or ended one is looked at, too: that is the point. */
const certificateEnd = ({ hostname, port }: URL): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port || 443),
      servername: hostname,
      rejectUnauthorized: false,
    })
    socket.setTimeout(tlsMsMax, () => socket.destroy(new Error(`${hostname} does not answer`)))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const ends = Date.parse(socket.getPeerCertificate().valid_to)
      socket.end()
      if (Number.isNaN(ends)) reject(new Error(`${hostname} shows no certificate`))
      else resolve(ends)
    })
  })
