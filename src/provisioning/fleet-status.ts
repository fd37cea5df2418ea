import { z } from 'zod'
import { messageOf } from '../errors.ts'
import { type Destination, readText } from '../storage/destination.ts'
import { manifestsPrefix, parseManifestKey } from '../storage/keys.ts'
import { parseManifest } from '../storage/manifest.ts'

const hourMs = 3_600_000
/** Days whose manifests are looked at for the latest one; an older one is a node that was left. */
const lookBackDays = 40
/** Backups are daily, and drills monthly. */
const lateMs = { backup: 26 * hourMs, drill: 35 * 24 * hourMs, files: 26 * hourMs }

/** How one machine is, by what it wrote to the backup bucket. Ages in hours; null: there is none. */
export type NodeStatus = {
  client: string
  node: string
  /** Age of the latest part, and of the status, backup and drill. */
  files_hours: number | null
  backup_hours: number | null
  drill_hours: number | null
  drill_ok: boolean | null
  producer: string | null
  /** What doctor found when the machine was last backed up. */
  doctor: { ok: boolean; failed: string[] } | null
  /** What wants a look, in words; none: all is well. */
  problems: string[]
}

const statusSchema = z.object({
  producer: z.string(),
  ok: z.boolean(),
  checks: z.array(z.object({ name: z.string(), state: z.string(), found: z.string() })),
})
const drillSchema = z.object({ ok: z.boolean(), error: z.string().nullable() })

/**
 * The machines of one client, from its prefix in the backup bucket alone: no machine is asked, so that one that is away or
 * off is seen as well. Throws the bucket's failure.
 */
export const clientStatus = async (backup: Destination, prefix: string, nowMs: number): Promise<NodeStatus[]> => {
  const seen = new Map<string, { part?: string; backup?: string; drill?: string; status: boolean }>()
  const of = (node: string) => {
    const one = seen.get(node) ?? { status: false }
    seen.set(node, one)
    return one
  }
  const since = new Date(nowMs - lookBackDays * 24 * hourMs).toISOString().slice(0, 10)
  for await (const { key } of backup.list(manifestsPrefix, `${manifestsPrefix}dt=${since}`)) {
    const name = parseManifestKey(key)
    if (name) of(name.node).part = key
  }
  for await (const { key } of backup.list('backups/')) {
    const [, node = '', ...rest] = key.split('/')
    if (rest[0] === 'status.json') of(node).status = true
    else if (rest[0] === 'drills' && rest[1] !== undefined) of(node).drill = key
    else if (rest[1] === 'manifest.json') of(node).backup = rest[0] ?? ''
  }
  const nodes: NodeStatus[] = []
  for (const [node, found] of [...seen].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const manifest = found.part ? parseManifest(await readAll(backup, found.part), found.part) : undefined
    const status = found.status
      ? statusSchema.safeParse(parsed(await readAll(backup, `backups/${node}/status.json`))).data
      : undefined
    const drill = found.drill ? drillSchema.safeParse(parsed(await readAll(backup, found.drill))).data : undefined
    const drillName = found.drill?.split('/').at(-1)?.replace('.json', '')
    const one: NodeStatus = {
      ...{ client: manifest?.client_id ?? prefix, node },
      files_hours: hours(manifest && Date.parse(manifest.created_at), nowMs),
      backup_hours: hours(found.backup && instantOf(found.backup), nowMs),
      drill_hours: hours(drillName && instantOf(drillName), nowMs),
      drill_ok: drill?.ok ?? null,
      producer: status?.producer ?? manifest?.producer ?? null,
      doctor: status
        ? {
            ok: status.ok,
            failed: status.checks
              .filter((check) => check.state === 'fail')
              .map((check) => `${check.name}: ${check.found}`),
          }
        : null,
      problems: [],
    }
    one.problems = problemsOf(one)
    nodes.push(one)
  }
  return nodes
}

const problemsOf = (one: NodeStatus): string[] => [
  ...(one.files_hours === null
    ? ['no files yet']
    : late(one.files_hours, lateMs.files)
      ? [`no files for ${one.files_hours} hours`]
      : []),
  ...(one.backup_hours === null
    ? ['never backed up']
    : late(one.backup_hours, lateMs.backup)
      ? [`last backup ${one.backup_hours} hours ago`]
      : one.backup_hours < -1
        ? ['the last backup is of the future: the clock of the machine was wrong']
        : []),
  ...(one.drill_hours === null
    ? ['no restore was ever tried']
    : late(one.drill_hours, lateMs.drill)
      ? [`last drill ${one.drill_hours} hours ago`]
      : []),
  ...(one.drill_ok === false ? ['the last drill failed'] : []),
  ...(one.doctor?.failed ?? []),
]

const late = (found: number | null, mostMs: number): boolean => found === null || found * hourMs > mostMs
const hours = (atMs: number | string | undefined, nowMs: number): number | null =>
  typeof atMs === 'number' && !Number.isNaN(atMs) ? Math.floor((nowMs - atMs) / hourMs) : null
const instantOf = (name: string): number =>
  Date.parse(name.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6Z'))

const readAll = async (backup: Destination, key: string): Promise<string> => {
  const stream = await backup.read(key)
  return stream ? readText(stream) : ''
}
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    return messageOf(error)
  }
}
