import type { Queryable } from '../db.ts'
import { digestOf } from '../keyed-hash.ts'
import type { Unit } from './group.ts'
import { insertReceipts, type ReceiptRow, selectDigests } from './statements.ts'

/** What the idempotency keys of a group come to before the database is asked. */
export type Claims = {
  /** One receipt a key, to be claimed with the ledger row. */
  receipts: ReceiptRow[]
  /** Units with a key that is not a duplicate within the group. */
  units: Unit[]
  /** Units that repeat another one of their group. */
  duplicates: Set<Unit>
}

type KeyOf = (unit: Unit) => string

const keyOf: KeyOf = (unit) => unit.receipt?.key ?? ''
const keyOfBoth: KeyOf = (unit) => digestOf([unit.receipt?.key ?? '', unit.receipt?.digest ?? ''])

/** Merges the keys of a group: the first unit of a key and digest stands for all of them. */
export const mergeReceipts = (units: readonly Unit[]): Claims => {
  const duplicates = new Set<Unit>()
  const seen = new Set<string>()
  const keyed = units.filter((unit) => {
    if (!unit.receipt) return false
    const both = `${unit.receipt.key} ${unit.receipt.digest}`
    if (!seen.has(both)) return seen.add(both)
    duplicates.add(unit)
    return false
  })
  return { receipts: receiptsOf(keyed, keyOf), units: keyed, duplicates }
}

/**
 * Finds the units that were stored before, given the keys that were `fresh`. Same key and same digest: a duplicate. Same
 * key, other digest: another event under a reused key, stored, and claimed again under a key of both, so that its own
 * retry is recognised, too. Answers all duplicates of the group, and how many keys were reused.
 */
export const settleReceipts = async (
  tx: Queryable,
  claims: Claims,
  fresh: ReadonlySet<string>,
): Promise<{ duplicates: Set<Unit>; reused: number }> => {
  const duplicates = new Set(claims.duplicates)
  const reused = await settle(tx, claims.units, fresh, keyOf, duplicates)
  if (reused.length > 0)
    await settle(tx, reused, await insertReceipts(tx, receiptsOf(reused, keyOfBoth)), keyOfBoth, duplicates)
  return { duplicates, reused: reused.length }
}

const receiptsOf = (units: readonly Unit[], key: KeyOf): ReceiptRow[] => {
  const byKey = new Map<string, ReceiptRow>()
  for (const unit of units)
    if (unit.receipt && !byKey.has(key(unit))) byKey.set(key(unit), { ...unit.receipt, key: key(unit) })
  return [...byKey.values()]
}

/** Adds to `duplicates` the units whose key is claimed with their digest; answers those whose key has another. */
const settle = async (
  tx: Queryable,
  units: readonly Unit[],
  fresh: ReadonlySet<string>,
  key: KeyOf,
  duplicates: Set<Unit>,
): Promise<Unit[]> => {
  const claimed = new Set<string>()
  const rest = units.filter((unit) => {
    if (!fresh.has(key(unit)) || claimed.has(key(unit))) return true
    claimed.add(key(unit))
    return false
  })
  if (rest.length === 0) return []
  const digests = await selectDigests(tx, [...new Set(rest.map(key))])
  return rest.filter((unit) => {
    // A receipt that was trimmed in between is as good as none.
    if (digests.get(key(unit)) !== unit.receipt?.digest) return true
    duplicates.add(unit)
    return false
  })
}
