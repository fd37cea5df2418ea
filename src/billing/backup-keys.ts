/** What billing writes to the backup, beside events and manifests; keys are relative to the prefix, and never overwritten. */
export const billingPrefix = 'billing/'

export const statementKey = (node: string, month: string, revision: number, extension: 'json' | 'csv'): string =>
  `${billingPrefix}${node}/statements/${month}.r${revision}.${extension}`

/** A list of decisions; the latest has the highest key. */
export const decisionsKey = (node: string, decidedMs: number, sha256: string): string =>
  `${billingPrefix}${node}/domains/${new Date(decidedMs).toISOString().replace(/[-:.]/g, '')}-${sha256.slice(0, 8)}.json`

const pattern = /^billing\/([a-z0-9_]+)\/(statements|domains)\/([\w.-]+)\.json$/

/** What a key says; undefined for anything else. */
export const parseBillingKey = (key: string): { node: string; kind: 'statements' | 'domains' } | undefined => {
  const [, node, kind] = pattern.exec(key) ?? []
  return node !== undefined && (kind === 'statements' || kind === 'domains') ? { node, kind } : undefined
}
