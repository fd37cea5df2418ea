import type { Db } from '../db.ts'
import type { Destination } from '../storage/destination.ts'
import type { DuckDb } from '../storage/duckdb.ts'
import type { Pace } from './pace.ts'

/** What the steps of a run share that make, remake and revise files. */
export type EncodeContext = {
  db: Db
  duckDb: DuckDb
  clientId: string
  nodeId: string
  stagingFolder: string
  destinations: readonly Destination[]
  /** The keyed hash that rules put in the place of a value: the same on all nodes of the client. */
  hash(value: string): string
  memoryMb: number
  threads: number
  /** Reads a COPY's blocks no faster than those who collect can bear. */
  paced: Pace
  /** One COPY at a time: they share a connection. Who needs both takes this one first. */
  copying<T>(work: () => Promise<T>): Promise<T>
  /** One encoding at a time: DuckDB takes one job, and a part's folder has one writer. */
  encoding<T>(work: () => Promise<T>): Promise<T>
}
