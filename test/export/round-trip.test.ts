import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { insertBatch, type TestEvent } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader, readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { readParquetLite } from '../support/read-back.ts'

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** Texts that have broken a CSV, a JSON line or a reader somewhere. */
const hostileTexts = [
  '',
  ' ',
  '"',
  '""',
  '","',
  "'; drop table events_log; --",
  'a\nb',
  'a\r\nb',
  '\r',
  'tab\tend',
  '\\N',
  '\\.',
  'back\\slash\\',
  'NULL',
  'null',
  '=HYPERLINK("http://example.com")',
  'é😀漢字\u202e',
  '\ufffd',
  '\u2028\u2029',
  '\u0001\u0008\u001f\u007f',
  '﻿bom',
  '{"json":"in text"}',
  '#comment',
  'x'.repeat(30_000),
]
const hostileJson = [
  '{}',
  '{"n":9007199254740993,"f":1e400,"g":-0,"d":0.1000000000000000055511151231257827,"big":123456789012345678901234567890}',
  '{"a":"quote \\" back \\\\ slash \\/ nl \\n tab \\t u \\u00e9 \\ud83d\\ude00"}',
  `{"deep":${'['.repeat(60)}${']'.repeat(60)}}`,
  '{"":"","a b":{"c":[null,true,false]}}',
  '{ "spaced" : [ 1 , 2 ] }',
  `{"long":"${'y'.repeat(30_000)}"}`,
]
const hostileTimes = [
  '0001-01-01T00:00:00.000000Z',
  '1969-12-31T23:59:59.999999Z',
  '2026-11-20T17:30:00.100000Z',
  '2038-01-19T03:14:08.000001Z',
  '9999-12-31T23:59:59.999999Z',
]

const events: TestEvent[] = []
for (const text of hostileTexts)
  events.push({
    event_type: text === '' ? 'empty' : text,
    visitor_id: text,
    session_id: text,
    user_id: text,
    url: text,
    path: text,
    user_agent: text,
    ip_address: text,
    site_id: text,
    raw_event_data: JSON.stringify({ text }),
  })
for (const raw of hostileJson) events.push({ raw_event_data: raw })
for (const time of hostileTimes) events.push({ timestamp: time })
events.push({ site_id: null, url: null })
for (const created of ['2026-11-20T00:00:00.000000Z', '2026-11-20T23:59:59.999999Z', '2026-11-21T00:00:00.000000Z'])
  events.push({ created_at: created })
for (const [n, event] of events.entries()) event.event_id = id(n)

const expected = events.map((event) => ({
  event_id: event.event_id,
  event_type: event.event_type ?? 'pageview',
  site_id: event.site_id === undefined ? 'shop.example.com' : event.site_id,
  visitor_id: event.visitor_id ?? null,
  session_id: event.session_id ?? null,
  user_id: event.user_id ?? null,
  timestamp: event.timestamp ?? event.created_at ?? '2026-11-20T17:30:00.000000Z',
  created_at: event.created_at ?? '2026-11-20T17:30:00.000000Z',
  url: event.url ?? null,
  path: event.path ?? null,
  user_agent: event.user_agent ?? null,
  ip_address: event.ip_address ?? null,
  raw_event_data: event.raw_event_data ?? '{}',
}))
const byId = <T extends { event_id?: unknown }>(rows: readonly T[]): T[] =>
  [...rows].sort((a, b) => String(a.event_id).localeCompare(String(b.event_id)))

for (const codec of ['zstd', 'snappy', 'gzip'])
  t.test(`every event comes back from json, csv and ${codec} parquet exactly as it was stored`, async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const DATA_DIR = await tempFolder(t)
    await insertBatch(db, events.slice(0, 20))
    await insertBatch(db, events.slice(20))
    const { exporter, close: closeExporter } = createTestExporter(db, {
      DATA_DIR,
      EXPORT_FORMAT: 'json,csv,parquet',
      PARQUET_COMPRESSION: codec,
    })
    t.teardown(closeExporter)

    const report = await exporter.run()
    t.match(report, { parts: 1, events: events.length, held: null })
    t.strictSame([...new Set(report.destinations.map((one) => one.state))], ['verified'])
    for (const destination of ['client', 'backup']) {
      const folder = path.join(DATA_DIR, 'exports', destination)
      const { rows, manifests, problems } = await readDelivered(folderReader(folder))
      t.strictSame(problems, [], `${destination}: what the manifests claim is true`)
      for (const format of ['json', 'csv', 'parquet'])
        t.strictSame(byId(rows[format] ?? []), expected, `${destination}: ${format}`)
      if (codec === 'zstd') continue
      for (const object of manifests.flatMap((one) => one.objects).filter((one) => one.format === 'parquet')) {
        const lite = await readParquetLite(await readFile(path.join(folder, object.key)))
        for (const row of lite) {
          const uuid = Buffer.from(row.event_id as Buffer).toString('hex')
          const same = expected.find((one) => one.event_id?.replaceAll('-', '') === uuid)
          t.equal(row.url ?? null, same?.url)
          t.equal(row.event_type, same?.event_type)
          t.equal(row.timestamp, same?.timestamp)
          t.equal(row.created_at, same?.created_at)
        }
        t.equal(lite.length, object.rows)
      }
    }
    t.match(await exporter.run(), { parts: 0, events: 0, destinations: [] }, 'a second run exports nothing new')
  })
