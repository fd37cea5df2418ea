import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { messageOf } from '../errors.ts'
import { readMigrations } from '../migrate.ts'
import { cronOf } from '../schedule.ts'
import { type Check, fail, ok, skipped, warn } from './check.ts'

const hourMs = 3_600_000
/** A webhook is tried for three days; one that waits longer than this has a receiver that is in trouble. */
const webhookLateMs = hourMs
const exportLateMs = 3 * hourMs

/** What the database says of itself, of exports and of webhooks. */
export const checkDatabase = async (db: Db, config: Config, nowMs: number): Promise<Check[]> => {
  try {
    return [
      await checkSchema(db),
      await checkDurability(db),
      await checkTuning(db),
      await checkTimescale(db),
      await checkExports(db, config, nowMs),
      await checkWebhooks(db, nowMs),
    ]
  } catch (error) {
    return [fail('database', messageOf(error), 'See that the database runs, and that its secret is the right one.')]
  }
}

const checkSchema = async (db: Db): Promise<Check> => {
  const newest = readMigrations().at(-1)?.version ?? 0
  const [row] = await db.query<{ version: number | null }>('select max(version) as version from schema_migrations')
  const found = `schema ${row?.version ?? 'none'}, this program knows ${newest}`
  if ((row?.version ?? 0) < newest) return warn('schema', found, 'Run: evothesis migrate')
  if ((row?.version ?? 0) > newest)
    return warn('schema', found, 'A newer version has migrated it; upgrade this one, too.')
  return ok('schema', found)
}

const checkDurability = async (db: Db): Promise<Check> => {
  const [row] = await db.query<{ fsync: string; commit: string; checksums: string }>(
    `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
            current_setting('data_checksums') as checksums`,
  )
  const found = `fsync ${row?.fsync}, synchronous_commit ${row?.commit}, data checksums ${row?.checksums}`
  if (row?.fsync !== 'on' || row.commit === 'off')
    return fail('durability', found, 'Turn both on: an acknowledged event could be lost.')
  return ok('durability', found)
}

const checkTuning = async (db: Db): Promise<Check> => {
  const [row] = await db.query<{ buffers: number; connections: number; used: number; share: number }>(
    `select pg_size_bytes(current_setting('shared_buffers')) as buffers,
            current_setting('max_connections')::int as connections,
            (select count(*) from pg_stat_activity where backend_type = 'client backend') as used,
            (select coalesce(sum(blks_hit)::float8 / nullif(sum(blks_hit + blks_read), 0), 1) from pg_stat_database) as share`,
  )
  if (!row) return skipped('database tuning', 'the database did not answer')
  const found = `shared_buffers ${Math.round(row.buffers / 1_048_576)} MB, ${row.used} of ${row.connections} connections, ${Math.round(row.share * 100)} % read from memory`
  if (row.used > row.connections * 0.8)
    return warn('database tuning', found, 'Connections run out: raise database.max_connections in client.yaml.')
  if (row.share < 0.8) return warn('database tuning', found, 'Give the database more memory: raise vm.memory_gb.')
  return ok('database tuning', found)
}

const checkTimescale = async (db: Db): Promise<Check> => {
  const [row] = await db.query<{ installed: string | null; available: string | null }>(
    `select (select extversion from pg_extension where extname = 'timescaledb') as installed,
            (select default_version from pg_available_extensions where name = 'timescaledb') as available`,
  )
  if (!row?.installed) return skipped('timescaledb', 'a plain PostgreSQL')
  if (row.installed !== row.available)
    return warn(
      'timescaledb',
      `${row.installed}, the image has ${row.available}`,
      'Run in the database: alter extension timescaledb update',
    )
  return ok('timescaledb', row.installed)
}

const checkExports = async (db: Db, config: Config, nowMs: number): Promise<Check> => {
  const held = await db.query<{ destination: string; state: string; parts: number; error: string | null }>(
    `select destination, state, count(distinct part_id) as parts, min(error) as error from deliveries
     where state in ('parked', 'quarantined') group by 1, 2 order by 1, 2`,
  )
  const [row] = await db.query<{ oldest: number | null; waiting: number }>(
    `select (extract(epoch from min(stored_at)) * 1000)::bigint as oldest, coalesce(sum(events), 0)::bigint as waiting
     from batches where part_id is null`,
  )
  const [first] = held
  if (first)
    return fail(
      'exports',
      held.map((one) => `${one.destination}: ${one.parts} parts ${one.state}`).join(', '),
      `See evothesis export status: ${first.error ?? 'no reason is stored'}`,
    )
  const ageMs = row?.oldest ? nowMs - row.oldest : 0
  const found = `${row?.waiting ?? 0} events wait, the oldest for ${Math.round(ageMs / 60_000)} minutes`
  const isDaily = cronOf(config.EXPORT_SCHEDULE)?.split(' ')[1] !== '*'
  if (cronOf(config.EXPORT_SCHEDULE) !== undefined && ageMs > (isDaily ? 26 * hourMs : exportLateMs))
    return warn('exports', found, 'See evothesis export status and the log of the worker.')
  return ok('exports', found)
}

const checkWebhooks = async (db: Db, nowMs: number): Promise<Check> => {
  const [row] = await db.query<{ unrouted: number; late: number; disabled: string | null }>(
    `select (select count(*) from outbox where routed_at is null) as unrouted,
            (select count(*) from webhook_deliveries d join outbox using (event_id)
             where d.state = 'pending' and occurred_at < to_timestamp($1::float8 / 1000)) as late,
            (select string_agg(name, ', ') from webhook_endpoints where state = 'disabled') as disabled`,
    [nowMs - webhookLateMs],
  )
  const found = `${row?.unrouted ?? 0} events not sent on, ${row?.late ?? 0} deliveries late`
  if (row?.disabled)
    return fail(
      'webhooks',
      `${row.disabled} disabled`,
      'See evothesis webhooks list; mend the receiver and enable it again.',
    )
  if ((row?.late ?? 0) > 0) return warn('webhooks', found, 'A receiver does not answer; see evothesis webhooks list.')
  return ok('webhooks', found)
}
