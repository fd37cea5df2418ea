import type { Db } from '../db.ts'
import { type DestinationName, destinationNames, type ExportFormat } from '../types.ts'
import { viewSql } from './parts.ts'

export type ReplayRange = {
  /** Parts with events that arrived in [from, to), ISO 8601. */
  from: string
  to: string
  destination?: DestinationName | undefined
  format?: ExportFormat | undefined
}

/**
 * Opens the deliveries of a time again: the next run delivers the same keys with the same bytes, from the buffer while the
 * rows are there, else copied from a destination that has them. Also the way to fill a destination that was added later.
 * Resolves to the number of parts. What is there already is only verified.
 */
export const openReplay = (db: Db, range: ReplayRange): Promise<{ parts: number; deliveries: number }> =>
  db.transaction(async (tx) => {
    const parts = await tx.query<{ part_id: number }>(
      `select part_id from export_parts
       where manifest is not null and quarantined is null and expired_at is null
         and received_max >= $1::timestamptz and received_min < $2::timestamptz order by part_id for share`,
      [range.from, range.to],
    )
    const partIds = parts.map((part) => part.part_id)
    const destinations = range.destination === undefined ? destinationNames : [range.destination]
    // A destination that was added later, or that had no copy of an adopted part, has no deliveries of it yet.
    await tx.execute(
      `insert into deliveries (part_id, revision, object_id, destination)
       select p.part_id, p.revision, o.object_id, destination
       from export_parts p, unnest($2::text[]) as destination,
            lateral (select object_id from export_objects x where x.part_id = p.part_id and x.revision = p.revision
                       and x.view = ${viewSql('p.rules', 'destination')}
                     union all select null) as o
       where p.part_id = any($1::bigint[])
       on conflict do nothing`,
      [partIds, destinations],
    )
    // Manifests of earlier revisions are links of the chain, too.
    await tx.execute(
      `insert into deliveries (part_id, revision, object_id, destination)
       select p.part_id, m.revision, null, destination
       from export_parts p join export_manifests m using (part_id), unnest($2::text[]) as destination
       where p.part_id = any($1::bigint[]) and m.revision < p.revision
         and m.view = ${viewSql('p.rules', 'destination')}
       on conflict do nothing`,
      [partIds, destinations],
    )
    const deliveries = await tx.execute(
      `update deliveries d set state = 'pending', attempts = 0, fault = null, error = null, next_attempt_at = null
       from export_parts p
       where p.part_id = d.part_id and p.part_id = any($1::bigint[])
         and (p.revision = d.revision or d.object_id is null)
         and ($2::text is null or d.destination = $2::text)
         and ($3::text is null or d.object_id is null
              or exists (select from export_objects o where o.object_id = d.object_id and o.format = $3::text))`,
      [partIds, range.destination ?? null, range.format ?? null],
    )
    return { parts: parts.length, deliveries }
  })
