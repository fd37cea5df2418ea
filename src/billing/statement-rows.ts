import type { Queryable } from '../db.ts'
import type { Month } from './calendar.ts'
import { type Issued, parseStatement } from './statement.ts'

type Row = { document: string; month: string; revision: number }
const read = (row: Row): Issued => parseStatement(row.document, `The statement ${row.month}.r${row.revision}`)

/** All revisions of all months, in the order they were issued. */
export const selectStatements = async (db: Queryable): Promise<Issued[]> =>
  (await db.query<Row>('select document, month, revision from statements order by issued_at, month, revision')).map(
    read,
  )

/** A revision of a month, or the latest. */
export const selectStatement = async (
  db: Queryable,
  month: Month,
  revision: number | null,
): Promise<Issued | undefined> => {
  const [row] = await db.query<Row>(
    `select document, month, revision from statements
     where month = $1::text and ($2::int is null or revision = $2::int) order by revision desc limit 1`,
    [month, revision],
  )
  return row && read(row)
}

/** Answers whether it was new: a statement is issued once. */
export const insertStatement = async (
  db: Queryable,
  { statement, text, sha256 }: Issued,
  isPublished: boolean,
): Promise<boolean> =>
  (await db.execute(
    `insert into statements (month, revision, node_id, issued_at, document, sha256, published_at)
     values ($1::text, $2::int, $3::text, $4::timestamptz, $5::text, $6::text, case when $7::bool then now() end)
     on conflict do nothing`,
    [statement.month, statement.revision, statement.node_id, statement.issued_at, text, sha256, isPublished],
  )) > 0

export const selectUnpublished = async (db: Queryable): Promise<Issued[]> =>
  (
    await db.query<Row>(
      'select document, month, revision from statements where published_at is null order by issued_at, month, revision',
    )
  ).map(read)

export const markPublished = (db: Queryable, { statement }: Issued): Promise<number> =>
  db.execute('update statements set published_at = now() where month = $1::text and revision = $2::int', [
    statement.month,
    statement.revision,
  ])
