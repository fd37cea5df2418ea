import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type Destination, readText } from '../storage/destination.ts'
import { manifestsPrefix, parseManifestKey } from '../storage/keys.ts'
import { type Manifest, parseManifest } from '../storage/manifest.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { billingPrefix, parseBillingKey } from './backup-keys.ts'
import { parseDecisions } from './decisions-file.ts'
import { upsertDecision } from './domains.ts'
import { insertPeriod } from './periods.ts'
import { parseStatement } from './statement.ts'
import { insertStatement } from './statement-rows.ts'

type Deps = {
  db: Db
  backup: Destination
  clientId: string
  nodeId: string
  /** Manifests that were made before are known already, in milliseconds since 1970; null: none is. */
  sinceMs: number | null
}

/**
 * Reads from the backup what this database does not know: manifests of the client's other nodes, statements of all nodes
 * (its own of an earlier life, too, so that a rebuilt database bills nothing twice), and the latest decisions about
 * domains. Everything there is written once, so what is known is never read again. Throws the destination's failure, or
 * `verify_failed` for what cannot be read.
 */
export const syncBackup = async (deps: Deps): Promise<void> => {
  await importManifests(deps)
  await importBilling(deps)
}

const importManifests = async ({ db, backup, clientId, nodeId, sinceMs }: Deps): Promise<void> => {
  const known = new Set(
    (await db.query<{ key: string }>('select manifest_key as key from node_manifests')).map((row) => row.key),
  )
  const since = sinceMs === null ? undefined : `${manifestsPrefix}dt=${new Date(sinceMs).toISOString().slice(0, 10)}`
  for await (const { key } of backup.list(manifestsPrefix, since)) {
    const name = parseManifestKey(key)
    // A revision counts what was erased; what was metered stays as the original says.
    if (!name || name.node === nodeId || name.revision > 0 || known.has(key)) continue
    const text = await readWhole(backup, key)
    const manifest = parseManifest(text, key)
    if (manifest.client_id !== clientId)
      throw new AppError('export_prefix_taken', `${backup.identity} holds files of client ${manifest.client_id}.`)
    await insertManifest(db, key, sha256OfText(text), manifest)
  }
}

const readWhole = async (backup: Destination, key: string): Promise<string> => {
  const stream = await backup.read(key)
  if (!stream) throw new AppError('verify_failed', `${key} was listed by ${backup.identity}, but is not there.`)
  return readText(stream)
}

const insertManifest = (db: Db, key: string, sha256: string, manifest: Manifest): Promise<void> =>
  db.transaction(async (tx) => {
    await tx.execute(
      `insert into node_manifests (manifest_key, node_id, epoch, part, sha256, events)
       values ($1::text, $2::text, $3::text, $4::bigint, $5::text, $6::bigint)`,
      [key, manifest.node_id, manifest.epoch, manifest.part, sha256, manifest.events],
    )
    await tx.execute(
      `insert into node_usage (manifest_key, quarter, site_id, events, pageviews)
       select $1::text, quarter, coalesce(site, ''), events, pageviews
       from jsonb_to_recordset($2::jsonb) as u(quarter timestamptz, site text, events bigint, pageviews bigint)`,
      [key, JSON.stringify(manifest.usage)],
    )
  })

const importBilling = async (deps: Deps): Promise<void> => {
  const statements: string[] = []
  const decisions = new Map<string, string>()
  for await (const { key } of deps.backup.list(billingPrefix)) {
    const parsed = parseBillingKey(key)
    if (parsed?.kind === 'statements') statements.push(key)
    // Listed in order, so the last of a node is its latest.
    if (parsed?.kind === 'domains') decisions.set(parsed.node, key)
  }
  await importStatements(deps, statements)
  for (const [node, key] of decisions)
    if (node !== deps.nodeId || !(await hasDecisions(deps.db))) await importDecisions(deps, key)
}

const importStatements = async ({ db, backup, clientId }: Deps, keys: readonly string[]): Promise<void> => {
  const known = new Set(
    (
      await db.query<{ name: string }>(`select node_id || '/' || month || '.r' || revision as name from statements`)
    ).map((row) => row.name),
  )
  for (const key of keys) {
    const [, node, , file = ''] = key.split('/')
    if (known.has(`${node}/${file.replace(/\.json$/, '')}`)) continue
    const issued = parseStatement(await readWhole(backup, key), key)
    const { statement } = issued
    if (statement.client_id !== clientId) continue
    await db.transaction(async (tx) => {
      await insertPeriod(tx, {
        ...{ month: statement.month, timeZone: statement.timezone, terms: statement.terms },
        ...{ startsMs: Date.parse(statement.starts_at), endsMs: Date.parse(statement.ends_at) },
      })
      await insertStatement(tx, issued, true)
    })
  }
}

const hasDecisions = async (db: Db): Promise<boolean> =>
  (await db.query(`select 1 from domains where decided_at is not null limit 1`)).length > 0

/** The later decision counts, whichever node it was made on. */
const importDecisions = async ({ db, backup, clientId }: Deps, key: string): Promise<void> => {
  const file = parseDecisions(await readWhole(backup, key), key)
  if (file.client_id !== clientId) return
  for (const { domain, state, decided_at, decided_by } of file.domains)
    await upsertDecision(db, { domain, state, by: decided_by, atMs: Date.parse(decided_at) })
}
