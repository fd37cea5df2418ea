import type { ExportFormat } from '../types.ts'

/** A part's name in keys, e.g. `part-n1-0a1b2c3d-0000000042`: node, epoch, and seq in ten digits so that keys sort. */
export type PartName = { node: string; epoch: string; seq: number }

const partName = ({ node, epoch, seq }: PartName): string => `part-${node}-${epoch}-${String(seq).padStart(10, '0')}`
const day = (instantMs: number): string => new Date(instantMs).toISOString().slice(0, 10)
const hour = (instantMs: number): string => new Date(instantMs).toISOString().slice(11, 13)

const extensions: Record<ExportFormat, string> = { json: 'json.gz', csv: 'csv.gz', parquet: 'parquet' }

/** Key of an object, relative to the destination's prefix. `dt` and `hr` are UTC hours of arrival. */
export const objectKey = (part: PartName, format: ExportFormat, hourMs: number): string =>
  `events/format=${format}/dt=${day(hourMs)}/hr=${hour(hourMs)}/${partName(part)}.${extensions[format]}`

/** Key of a part's manifest, relative to the prefix; a revision has a key of its own. */
export const manifestKey = (part: PartName, createdMs: number, revision: number): string =>
  `manifests/dt=${day(createdMs)}/${partName(part)}${revision > 0 ? `.r${revision}` : ''}.json`

export const manifestsPrefix = 'manifests/'

const manifestPattern =
  /^manifests\/dt=(\d{4}-\d{2}-\d{2})\/part-([a-z0-9_]+)-([0-9a-f]{8})-(\d{10,})(?:\.r(\d+))?\.json$/

/** What a manifest's key says; undefined for anything that is not one. */
export const parseManifestKey = (key: string): (PartName & { day: string; revision: number }) | undefined => {
  const match = manifestPattern.exec(key)
  if (!match) return undefined
  const [, at = '', node = '', epoch = '', seq = '', revision = '0'] = match
  return { day: at, node, epoch, seq: Number(seq), revision: Number(revision) }
}
