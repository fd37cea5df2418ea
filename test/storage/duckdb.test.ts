import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { createDuckDb } from '../../src/storage/duckdb.ts'
import { tempFolder } from '../support/exporter.ts'

t.test('a failure of DuckDB tells what failed, and quotes neither rows nor statements', async (t) => {
  const folder = await tempFolder(t)
  const file = path.join(folder, 'rows.csv')
  await writeFile(file, `"visitor-canary","${'x'.repeat(5_000)}"\n`)
  const duckDb = createDuckDb()
  t.teardown(() => duckDb.close())
  const failures = [
    `selec 'visitor-canary'`,
    `select json_extract_string('visitor-canary}', '$.a')`,
    `select 'visitor-canary'::int`,
    `select * from read_csv('${file}', auto_detect = false, columns = {'a': 'INTEGER', 'b': 'VARCHAR'}, quote = '"')`,
    `select * from read_csv('${file}', auto_detect = false, columns = {'a': 'VARCHAR', 'b': 'VARCHAR'}, max_line_size = 100, buffer_size = 200)`,
  ]
  for (const sql of failures) {
    const job = { what: 'Reading rows', tempFolder: path.join(folder, 'tmp'), memoryMb: 64, threads: 1, writes: [] }
    const error = await duckDb.run({ ...job, reads: [sql] }).then(
      () => undefined,
      (failure: Error) => failure,
    )
    t.match(error?.message, /^Reading rows failed: \w+.* Error/, sql)
    t.notMatch(error?.message, /canary|xxx/)
  }
})
