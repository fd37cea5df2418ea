/**
 * What a failure of the database means for the rows at hand. The classes are PostgreSQL's, Appendix A of its manual.
 */
export type DatabaseFault = 'data' | 'retry' | 'away' | 'alert'

export const sqlStateOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** A transaction that lost a race and may simply run again. */
export const isSerializationFailure = (state: string | undefined): boolean => state === '40001' || state === '40P01'

/** Connection, rollback, resources, operator intervention, system error: the database is away, and comes back. */
const awayClasses = ['08', '40', '53', '55', '57', '58']
/** Data exception, integrity violation, limit exceeded: these rows can never be stored. */
const dataClasses = ['22', '23', '54']

/**
 * `data`: these rows will fail again, find the culprit. `retry`: run the transaction again. `away`: keep the rows until
 * the database is back. `alert`: the same, and somebody must look (a rotated password, a missing migration …).
 * An error without a SQLSTATE is the network's or a time-out, so `away`.
 */
export const classifyDatabaseFault = (error: unknown): DatabaseFault => {
  const state = sqlStateOf(error)
  if (state === undefined) return 'away'
  if (isSerializationFailure(state)) return 'retry'
  const stateClass = state.slice(0, 2)
  if (dataClasses.includes(stateClass)) return 'data'
  if (awayClasses.includes(stateClass) || state === '25006') return 'away'
  return 'alert'
}
