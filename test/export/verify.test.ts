import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { renderReport } from '../../src/export/render.ts'
import { renderVerify } from '../../src/export/render-verify.ts'
import { checkParity, verifyDestination } from '../../src/export/verify.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { collectOutput, exitOf, runProgram } from '../support/server.ts'

const place = (folder: string) => createFolderDestination('client', folder)
const verify = (folder: string, full = true) => verifyDestination(place(folder), { full })

t.test('verification', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,csv,parquet' })
  t.teardown(closeExporter)
  for (let part = 0; part < 4; part++) {
    await insertBatch(
      db,
      Array.from({ length: 300 }, (_, n) => ({ path: `/${part}/${n}`, raw_event_data: `{"text":"a \\n b","n":${n}}` })),
    )
    await exporter.run()
  }
  const whole = path.join(DATA_DIR, 'exports', 'client')
  const keys = await folderReader(whole).keys()
  const objectOf = (format: string, part: number): string =>
    keys.find((key) => key.startsWith(`events/format=${format}`) && key.includes(`-000000000${part}.`)) ?? ''
  const manifestOf = (part: number): string =>
    keys.find((key) => key.startsWith('manifests/') && key.includes(`-000000000${part}.`)) ?? ''

  t.test('everything is as the manifests say, read whole or not', async (t) => {
    for (const full of [true, false]) {
      const report = await verify(whole, full)
      t.match(report, { problems: [], pending: [], manifests: 4, objects: 12, events: 1200, starts: [{ part: 1 }] })
    }
    const both = await Promise.all([verify(whole), verify(path.join(DATA_DIR, 'exports', 'backup'))])
    t.match(checkParity(both[0].chain, both[1].chain), { problems: [], behind: { a: 0, b: 0 } })
  })

  const corrupt: [name: string, kind: string, damage: (folder: string) => Promise<unknown>][] = [
    ...['json', 'csv', 'parquet'].map((format): (typeof corrupt)[number] => [
      `a flipped byte in ${format}`,
      'changed object',
      async (folder) => {
        const file = path.join(folder, objectOf(format, 2))
        const bytes = await readFile(file)
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
        await writeFile(file, bytes)
      },
    ]),
    [
      'a missing row',
      'changed object',
      async (folder) => {
        const file = path.join(folder, objectOf('json', 2))
        const text = gunzipSync(await readFile(file)).toString()
        await writeFile(file, gzipSync(text.slice(text.indexOf('\n') + 1)))
      },
    ],
    [
      'two objects that were swapped',
      'changed object',
      async (folder) => {
        await rename(path.join(folder, objectOf('csv', 2)), path.join(folder, 'aside'))
        await rename(path.join(folder, objectOf('csv', 3)), path.join(folder, objectOf('csv', 2)))
        await rename(path.join(folder, 'aside'), path.join(folder, objectOf('csv', 3)))
      },
    ],
    ['a missing object', 'missing object', (folder) => rm(path.join(folder, objectOf('parquet', 4)))],
    ['a missing manifest in the middle', 'chain', (folder) => rm(path.join(folder, manifestOf(2)))],
    ['a missing first manifest', 'unclaimed object', (folder) => rm(path.join(folder, manifestOf(1)))],
    [
      'an edited manifest',
      'chain',
      async (folder) => {
        const file = path.join(folder, manifestOf(2))
        await writeFile(file, (await readFile(file, 'utf8')).replace('"pageviews": 300', '"pageviews": 299'))
      },
    ],
    [
      'a manifest whose numbers do not add up',
      'manifest',
      async (folder) => {
        const file = path.join(folder, manifestOf(4))
        await writeFile(file, (await readFile(file, 'utf8')).replace('"events": 300', '"events": 301'))
      },
    ],
    [
      'a manifest under another key',
      'manifest',
      (folder) =>
        rename(
          path.join(folder, manifestOf(3)),
          path.join(folder, manifestOf(3).replace('-0000000003', '-0000000009')),
        ),
    ],
    [
      'a manifest that is not JSON',
      'manifest',
      (folder) => writeFile(path.join(folder, manifestOf(3)), '{"version":1'),
    ],
    [
      'an object that nobody claims',
      'unclaimed object',
      (folder) => cp(path.join(folder, objectOf('json', 1)), path.join(folder, `${objectOf('json', 1)}.copy`)),
    ],
  ]
  for (const [name, kind, damage] of corrupt)
    t.test(`${name} is found`, async (t) => {
      const folder = path.join(await tempFolder(t), 'copy')
      await cp(whole, folder, { recursive: true })
      await damage(folder)
      const report = await verify(folder)
      t.ok(
        report.problems.some((problem) => problem.kind === kind),
        JSON.stringify(report.problems),
      )
    })

  t.test('a missing last manifest shows as objects without one, and in the other destination', async (t) => {
    const folder = path.join(await tempFolder(t), 'copy')
    await cp(whole, folder, { recursive: true })
    await rm(path.join(folder, manifestOf(4)))
    const report = await verify(folder)
    t.equal(report.pending.length, 3)
    const backup = await verify(path.join(DATA_DIR, 'exports', 'backup'))
    t.match(checkParity(report.chain, backup.chain), { problems: [], behind: { a: 1, b: 0 } })
  })

  t.test('the commands say it and end with 0 or 1', async (t) => {
    const run = async (args: string[], env = { DATA_DIR }) => {
      const child = runProgram(args, env)
      const output = collectOutput(child)
      return { code: await exitOf(child), text: output() }
    }
    const fine = await run(['export', 'verify', '--full'])
    t.match(fine, { code: 0, text: /The destinations agree/ }, fine.text)
    t.match(await run(['verify', whole, '--full']), { code: 0, text: /Every byte is as the manifests say/ })
    const folder = path.join(await tempFolder(t), 'copy')
    await cp(whole, folder, { recursive: true })
    await rm(path.join(folder, objectOf('json', 1)))
    t.match(await run(['verify', folder]), { code: 1, text: /missing object/ })
    const json = await run(['verify', folder, '--json'])
    t.match(JSON.parse(json.text.slice(json.text.indexOf('{'))), {
      destinations: [{ problems: [{ kind: 'missing object' }] }],
    })
    t.match(await run(['verify', 'ftp://x/y']), { code: 2 })
    for (const nothing of [await tempFolder(t), path.join(DATA_DIR, 'nonexistent')])
      t.match(await run(['verify', nothing]), { code: 1, text: /WRONG .*nothing was found there/ })
    const fresh = await run(['export', 'verify'], { DATA_DIR: await tempFolder(t) })
    t.match(fresh, { code: 0, text: /othing has been delivered yet/ })
    t.notMatch(fresh.text, /as the manifests say|agree/)
    const told = await run(['verify', 's3://bucket', '--endpoint', 'http://key:hidden@127.0.0.1:9'])
    t.match(told, { code: 2, text: /--endpoint must not hold a user or a password/ })
    t.notMatch(told.text, 'hidden')
    t.match(await run(['verify']), { code: 2 })
  })
})

t.test('one of a thing is not told in the plural', (t) => {
  const say = (n: number): string =>
    renderVerify({
      destinations: [
        {
          ...{ place: 'folder:/x', full: true, starts: [], manifests: n, objects: n, bytes: n, events: n, erased: n },
          quarantined: n,
          expired: n,
          pending: Array.from({ length: n }, () => 'key'),
          problems: Array.from({ length: n }, () => ({ kind: 'rows', key: 'key', message: 'differs' })),
        },
      ],
      parity: { problems: [], behind: [n, 0] },
    }) + renderReport({ parts: n, events: n, held: null, destinations: [] })
  const one = say(1)
  for (const phrase of [
    '1 manifest, 1 object, 1 byte, 1 event (',
    '1 part is quarantined',
    '1 part has expired',
    '1 object after the newest',
  ])
    t.match(one, phrase)
  for (const phrase of ['  1 problem\n', 'one is 1 part behind.', '1 event in 1 part.']) t.match(one, phrase)
  t.match(say(2), '2 manifests, 2 objects, 2 bytes, 2 events (')
  t.match(say(2000), '2,000 events in 2,000 parts.')
  t.end()
})
