import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Period } from './periods.ts'
import { composeStatement } from './statement.ts'
import { selectStatements } from './statement-rows.ts'
import { selectCoveredUsage } from './usage.ts'

/**
 * Composes the latest statement once more from the usage in the database, and answers the hash of its bytes beside that of
 * the issued one; null when no month is closed yet. What a person decided, and when, is taken from the statement itself.
 */
export const rederiveStatement = async (
  db: Db,
  identity: { clientId: string; nodeId: string },
): Promise<{ what: string; stated: string; derived: string } | null> => {
  const all = await selectStatements(db)
  const issued = all.filter((one) => one.statement.node_id === identity.nodeId).at(-1)
  if (!issued) return null
  const { statement: one } = issued
  const period: Period = {
    ...{ month: one.month, timeZone: one.timezone, terms: one.terms },
    ...{ startsMs: Date.parse(one.starts_at), endsMs: Date.parse(one.ends_at) },
  }
  const corrected = all.find(
    ({ statement }) => statement.month === one.month && statement.revision === one.revision - 1,
  )
  if (one.revision > 1 && !corrected)
    throw new AppError('verify_failed', `The statement ${one.month}.r${one.revision} corrects one that is not there.`)
  const { advice } = one
  const again = composeStatement({
    ...{ ...identity, period, covered: one.covered, corrected, decisions: one.decisions, adjustments: one.adjustments },
    issuedMs: Date.parse(one.issued_at),
    usage: await selectCoveredUsage(db, period, one.covered, identity.nodeId),
    pendingEvents: one.pending_events,
    previousSha256: one.previous_statement_sha256,
    adviceOf: () =>
      advice && {
        plan: advice.plan,
        amountMicros: BigInt(advice.amount_micros),
        savesMicros: BigInt(advice.saves_micros),
      },
  })
  return { what: `statement ${one.month}.r${one.revision}`, stated: issued.sha256, derived: again.sha256 }
}
