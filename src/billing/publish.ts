import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '../db.ts'
import type { Destination } from '../storage/destination.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { decisionsKey, statementKey } from './backup-keys.ts'
import { renderDecisions } from './decisions-file.ts'
import { selectDomains } from './domains.ts'
import { statementCsv } from './statement-csv.ts'
import { markPublished, selectUnpublished } from './statement-rows.ts'

type Deps = { db: Db; backup: Destination; clientId: string; nodeId: string; stagingFolder: string }

/**
 * Writes new statements, as JSON and CSV, and changed decisions to the backup. What is there is never overwritten: the
 * same bytes again are success, other bytes are `destination_mismatch`. Throws the destination's failure; what was not
 * written is written by the next call.
 */
export const createPublisher = (deps: Deps): { publish(): Promise<void> } => {
  let publishedSha256: string | undefined
  return {
    async publish() {
      for (const issued of await selectUnpublished(deps.db)) {
        const { month, revision, node_id: node } = issued.statement
        // The JSON last: it is the one that is read back, so what it stands for is whole.
        await put(deps, statementKey(node, month, revision, 'csv'), statementCsv(issued.statement))
        await put(deps, statementKey(node, month, revision, 'json'), issued.text)
        await markPublished(deps.db, issued)
      }
      const decisions = renderDecisions(deps, await selectDomains(deps.db))
      if (!decisions || decisions.sha256 === publishedSha256) return
      await put(deps, decisionsKey(deps.nodeId, decisions.decidedMs, decisions.sha256), decisions.text)
      publishedSha256 = decisions.sha256
    },
  }
}

/** A destination takes files: one is written aside for the moment. */
const put = async ({ backup, stagingFolder }: Deps, key: string, text: string): Promise<void> => {
  await mkdir(stagingFolder, { recursive: true })
  const place = path.join(stagingFolder, `billing-${randomUUID()}`)
  try {
    await writeFile(place, text)
    await backup.create(key, { path: place, bytes: Buffer.byteLength(text), sha256: sha256OfText(text) })
  } finally {
    await rm(place, { force: true })
  }
}
