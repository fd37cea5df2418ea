import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import t from 'tap'
import { warehouseStatements } from '../../src/export/warehouse-command.ts'
import { warehouseEngines, warehouseSql } from '../../src/storage/warehouse.ts'
import { exportColumns } from '../../src/types.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder, testConfig } from '../support/exporter.ts'
import { collectOutput, exitOf, runProgram } from '../support/server.ts'

t.test('the printed DuckDB statements make the files of every format the same table', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,csv,parquet' })
  t.teardown(closeExporter)
  const today = new Date().toISOString().slice(0, 10)
  const at = (hour: string) => `${today}T${hour}:30:00.000001Z`
  const raw = (source: string) => JSON.stringify({ attribution: { utmParams: { utm_source: source } } })
  await insertBatch(db, [
    { created_at: at('12'), visitor_id: 'v1', raw_event_data: raw('news') },
    { created_at: at('12'), visitor_id: 'v1', event_type: 'click', url: 'a "b"\n,c', session_id: '' },
    { created_at: at('13'), visitor_id: 'v2', raw_event_data: raw('news'), user_id: null },
    { created_at: at('13'), visitor_id: 'v3', raw_event_data: raw('ads'), timestamp: '0001-01-01T00:00:00.000000Z' },
  ])
  await exporter.run()
  const url = path.join(DATA_DIR, 'exports', 'client')
  const place = { url, bucket: undefined, prefix: '', region: 'us-east-1', endpoint: undefined }
  const tables: unknown[] = []
  for (const format of ['parquet', 'json', 'csv'] as const) {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`set timezone = 'UTC'`)
    const statements = warehouseSql('duckdb', place, format)
      .split(/;\n/)
      .map((statement) => statement.trim())
      .filter(Boolean)
    const answers: unknown[][][] = []
    for (const statement of statements) answers.push((await connection.runAndReadAll(statement)).getRowsJson())
    t.equal(answers.length, 4, 'the view and three queries')
    t.strictSame(answers[1], [[today, '4', '3']], 'events and visitors a day')
    t.strictSame(answers[2], [
      ['click', '1'],
      ['pageview', '1'],
    ])
    t.strictSame(answers[3], [
      ['news', '2'],
      ['ads', '1'],
    ])
    const all = await connection.runAndReadAll(
      `select ${exportColumns.map((column) => `"${column}"::varchar`).join(', ')}, dt, hr from events order by event_id`,
    )
    tables.push(all.getRowsJson())
    const plan = await connection.runAndReadAll(
      `explain analyze select count(*) from events where dt = '${today}' and hr = 13`,
    )
    t.match(String(plan.getRowsJson()), /1\/2|Total Files Read: 1/, 'one hour reads one file')
    connection.closeSync()
    instance.closeSync()
  }
  t.strictSame(tables[1], tables[0])
  t.strictSame(tables[2], tables[0])
})

t.test('every engine has its statements, for the configured bucket', async (t) => {
  for (const engine of warehouseEngines) {
    const child = runProgram(['warehouse', engine], {
      DATA_DIR: await tempFolder(t),
      EXPORT_FORMAT: 'json,parquet',
      CLIENT_S3_BUCKET: 'acme-events',
      CLIENT_S3_REGION: 'eu-central-1',
    })
    const output = collectOutput(child)
    t.equal(await exitOf(child), 0, engine)
    t.match(output(), 'acme-events')
    t.match(output(), 'events/format=parquet')
    t.match(output(), 'visitor_id')
  }
  const wrong = runProgram(['warehouse', 'oracle'], {})
  t.equal(await exitOf(wrong), 2)
})

t.test('statements are given for what is exported only', (t) => {
  for (const [EXPORT_FORMAT, duckdb, others] of [
    ['json', /format=json/, null],
    ['csv,json', /format=csv/, null],
    ['json,parquet', /format=parquet/, /format=parquet/],
  ] as const) {
    const statements = warehouseStatements(testConfig({ EXPORT_FORMAT, CLIENT_S3_BUCKET: 'acme-events' }))
    t.strictSame(Object.keys(statements), [...warehouseEngines])
    for (const engine of warehouseEngines)
      t.match(statements[engine], engine === 'duckdb' ? duckdb : others, `${engine} of ${EXPORT_FORMAT}`)
  }
  t.end()
})
