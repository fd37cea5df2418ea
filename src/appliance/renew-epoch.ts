import type { Db } from '../db.ts'

/**
 * Begins a new epoch in a restored database that found nothing to adopt: the machine it was restored from may live on, and
 * two that write the same keys would overwrite each other's files. Parts that no manifest has committed give their batches
 * back, and are made again under the new name. Answers the new epoch.
 */
export const renewEpoch = (db: Db): Promise<string> =>
  db.transaction(async (tx) => {
    const open = `(select part_id from export_parts p where not adopted and not exists
       (select from deliveries d where d.part_id = p.part_id and d.object_id is null and d.state = 'verified'))`
    await tx.execute(`update batches set part_id = null where part_id in ${open}`)
    await tx.execute(`delete from recorded_parts where part_id in ${open}`)
    for (const table of ['deliveries', 'export_objects', 'part_usage', 'export_parts'])
      await tx.execute(`delete from ${table} where part_id in ${open}`)
    const [before] = await tx.query<{ epoch: string }>('select epoch from epochs where is_current for update')
    await tx.execute('update epochs set is_current = false where is_current')
    const [row] = await tx.query<{ epoch: string }>(
      `insert into epochs (epoch, predecessor)
       select substr(replace(gen_random_uuid()::text, '-', ''), 1, 8),
              coalesce((select jsonb_build_object('node', manifest::jsonb -> 'node_id', 'epoch', epoch, 'part', seq,
                                 'revision', revision, 'sha256', manifest_sha256)
                        from export_parts where epoch = $1::text and manifest_sha256 is not null order by seq desc limit 1),
                       (select predecessor from epochs where epoch = $1::text))
       returning epoch`,
      [before?.epoch ?? ''],
    )
    return row?.epoch ?? ''
  })
