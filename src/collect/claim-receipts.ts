import type { Queryable } from '../db.ts'
import type { Unit } from './group.ts'
import { digestOf } from './keyed-hash.ts'
import { insertReceipts, selectDigests } from './statements.ts'

/**
 * Claims the idempotency keys of a group; answers the units that were stored before, in this group or an earlier one.
 * Same key and same digest: a duplicate. Same key, other digest: another event under a reused key, stored, and claimed
 * again under a key of both, so that its own retry is recognised, too.
 */
export const claimReceipts = async (
  tx: Queryable,
  units: readonly Unit[],
): Promise<{ duplicates: Set<Unit>; reused: number }> => {
  const duplicates = new Set<Unit>()
  const keyed = mergeByKey(units, duplicates, (unit) => unit.receipt?.key)
  const reused = await claim(tx, keyed, duplicates, (unit) => unit.receipt?.key ?? '')
  if (reused.length === 0) return { duplicates, reused: 0 }
  const keyOfBoth = (unit: Unit): string => digestOf([unit.receipt?.key ?? '', unit.receipt?.digest ?? ''])
  await claim(tx, mergeByKey(reused, duplicates, keyOfBoth), duplicates, keyOfBoth)
  return { duplicates, reused: reused.length }
}

type KeyOf = (unit: Unit) => string | undefined

/** Within one group the first unit of a key stands for all with its digest; others with the key are claimed after it. */
const mergeByKey = (units: readonly Unit[], duplicates: Set<Unit>, keyOf: KeyOf): Unit[] => {
  const seen = new Set<string>()
  return units.filter((unit) => {
    const key = keyOf(unit)
    if (key === undefined) return false
    const both = `${key} ${unit.receipt?.digest}`
    if (!seen.has(both)) return seen.add(both)
    duplicates.add(unit)
    return false
  })
}

/** Marks units whose key is claimed with their digest; answers those whose key is claimed with another. */
const claim = async (
  tx: Queryable,
  units: readonly Unit[],
  duplicates: Set<Unit>,
  keyOf: (unit: Unit) => string,
): Promise<Unit[]> => {
  const firsts = new Map<string, Unit>()
  for (const unit of units) if (!firsts.has(keyOf(unit))) firsts.set(keyOf(unit), unit)
  const receipts = [...firsts].flatMap(([key, unit]) => (unit.receipt ? [{ ...unit.receipt, key }] : []))
  if (receipts.length === 0) return []
  const fresh = await insertReceipts(tx, receipts)
  const rest = units.filter((unit) => !fresh.has(keyOf(unit)) || firsts.get(keyOf(unit)) !== unit)
  if (rest.length === 0) return []
  const digests = await selectDigests(tx, [...new Set(rest.map(keyOf))])
  const others: Unit[] = []
  for (const unit of rest) {
    const digest = digests.get(keyOf(unit))
    // A receipt that was trimmed in between is as good as none.
    if (digest === unit.receipt?.digest) duplicates.add(unit)
    else others.push(unit)
  }
  return others
}
