import { sqlStateOf } from '../sqlstate.ts'

/** What is logged of a database fault. PostgreSQL's detail and context quote rows, which are never logged. */
export const faultFields = (error: unknown): { sqlstate?: string; fault: string } => {
  const sqlstate = sqlStateOf(error)
  if (sqlstate !== undefined && /^2[23]|^54/.test(sqlstate)) return { sqlstate, fault: 'data' }
  const fault = error instanceof Error ? error.message : String(error)
  return sqlstate === undefined ? { fault } : { sqlstate, fault }
}
