import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { reconcile } from '../../src/billing/reconcile.ts'
import { reconcileBucket } from '../../src/billing/reconcile-bucket.ts'
import { systemClock } from '../../src/clock.ts'
import type { Manifest } from '../../src/storage/manifest.ts'
import { approve, type BillingLab, createBillingLab } from './lab.ts'

const proof = (lab: BillingLab, month = '2026-10') =>
  reconcile(
    {
      ...{ db: lab.db, clock: systemClock, destinations: lab.exporting.destinations, timeZone: 'UTC' },
      ...{ clientId: 'acme', nodeId: lab.config.NODE_ID },
    },
    month,
  )
const backupOf = (lab: BillingLab) => {
  const found = lab.exporting.destinations.find((one) => one.name === 'backup')
  if (!found) throw new Error('no backup')
  return found
}
const fromBucket = (lab: BillingLab, month = '2026-10') => reconcileBucket(backupOf(lab), month)

const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const filesOf = async (lab: BillingLab, below: string): Promise<string[]> =>
  (await readdir(path.join(lab.backupFolder, below), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
const edit = async (file: string, change: (text: string) => string): Promise<() => Promise<void>> => {
  const before = await readFile(file, 'utf8')
  const after = change(before)
  if (after === before) throw new Error(`nothing was edited in ${file}`)
  await writeFile(file, after)
  return () => writeFile(file, before)
}

t.test('a month is proven from ledger and both destinations, and each planted fault is found', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  for (let part = 1; part <= 4; part++) {
    await lab.visit('shop.example.com', `2026-10-1${part}T12:00:00.000000Z`, 10 * part)
    await lab.visit('blog.example.com', `2026-10-1${part}T13:00:00.000000Z`, part)
    await lab.visit('stranger.net', `2026-10-1${part}T13:00:00.000000Z`, 2)
    await lab.exporting.exporter.run()
  }
  await lab.billing.runOnce()
  const whole = {
    ...{ received: { events: 118 }, delivered: { client: { events: 118 }, backup: { events: 118 } } },
    ...{ billed: { events: 110, domains: 1 }, pending: [], differences: [] },
  }
  t.match(await proof(lab), whole)
  t.match(await fromBucket(lab), { ...whole, received: null, delivered: { backup: { events: 118 } } })

  /** What is planted must be found by both proofs, or where the bucket cannot know it, by the first; undone, all is well. */
  const planted = async (what: string, expected: RegExp, undo: () => unknown, inBucket = true) => {
    t.match((await proof(lab)).differences.join('\n'), expected, what)
    if (inBucket) t.match((await fromBucket(lab)).differences.join('\n'), expected, `${what}, from the bucket alone`)
    await undo()
    t.strictSame((await proof(lab)).differences, [], `${what}, undone`)
  }

  const [object = ''] = (await filesOf(lab, 'events')).slice(2)
  const bytes = await readFile(object)
  await rm(object)
  await planted('a missing object', /is missing; manifests/, () => writeFile(object, bytes))
  await writeFile(object, bytes.subarray(1))
  await planted('a cut object', new RegExp(`has ${bytes.length - 1} bytes`), () => writeFile(object, bytes))
  const stray = `${object}.copy`
  await writeFile(stray, bytes)
  await planted('an object of no manifest', /named by no manifest/, () => rm(stray))

  const manifests = await filesOf(lab, 'manifests')
  t.equal(manifests.length, 4)
  const moreEvents = (text: string) => text.replace(/"events": (\d+)/g, (_, n) => `"events": ${Number(n) + 1}`)
  const moreShop = (text: string) =>
    text.replace(/("site": "shop.example.com",\s*"events": )(\d+)/, (_, a, n) => `${a}${Number(n) + 1}`)
  for (const [n, file] of manifests.entries()) {
    await planted(`manifest ${n + 1}, all counts edited`, /edited|add up/, await edit(file, moreEvents))
    await planted(`manifest ${n + 1}, one site edited`, /add up|edited/, await edit(file, moreShop))
    await planted(`manifest ${n + 1}, a space added`, /edited/, await edit(file, (text) => `${text} `))
    const text = await readFile(file)
    await rm(file)
    await planted(`manifest ${n + 1} missing`, /missing/, () => writeFile(file, text))
  }

  const statement = (await filesOf(lab, 'billing')).find((file) => file.endsWith('2026-10.r1.json')) ?? ''
  const edits: [string, (text: string) => string][] = [
    ['total', (text) => text.replace(/"total_usd": "[^"]+"/, '"total_usd": "9.99"')],
    ['a line', (text) => text.replace(/"amount_micros": "1100"/, '"amount_micros": "1000"')],
    [
      'site',
      (text) => text.replace(/("site": "shop.example.com",\s*"domain": "example.com",\s*"events": )\d+/, '$1101'),
    ],
    ['billable', (text) => text.replace(/("billable": \{\s*"events": )\d+/, '$1109')],
    ['the price', (text) => text.replace('"usd": "0.01"', '"usd": "0.02"')],
    [
      'the decisions',
      (text) => text.replace('"approved": [\n      "example.com"', '"approved": [\n      "stranger.net"'),
    ],
    ['the covered parts', (text) => text.replace('"through": 4', '"through": 3')],
  ]
  for (const [what, change] of edits)
    await planted(`the statement's ${what} edited`, /2026-10\.r1/, await edit(statement, change))
  const csv = statement.replace(/json$/, 'csv')
  await planted('the CSV edited', /\.csv differs/, await edit(csv, (text) => text.replace('110', '111')))

  const ledger = async (statementText: string, undoText: string, expected: RegExp) => {
    await lab.db.execute(statementText)
    await planted(statementText, expected, () => lab.db.execute(undoText), false)
  }
  const firstBatch = '(select min(batch_id) from batches)'
  for (const [table, key] of [
    ['batches', 'batch_id'],
    ['batch_sites', 'batch_id'],
  ] as const)
    await ledger(
      `update ${table} set events = events + 1 where ${key} = ${firstBatch}`,
      `update ${table} set events = events - 1 where ${key} = ${firstBatch}`,
      /Batch \d+ says|metered 10 events/,
    )
  const firstPart = `part_id = (select min(part_id) from part_usage) and site_id = 'shop.example.com'`
  await ledger(
    `update part_usage set pageviews = pageviews + 1 where ${firstPart}`,
    `update part_usage set pageviews = pageviews - 1 where ${firstPart}`,
    /metered 10 events and 11 pageviews/,
  )
})

t.test('what is under way is pending, not a difference; a destination that cannot be read is one', async (t) => {
  const lab = await createBillingLab(t)
  await lab.visit('example.com', '2026-10-15T12:00:00.000000Z', 5)
  await lab.exporting.exporter.run()
  await lab.visit('example.com', '2026-10-16T12:00:00.000000Z', 7)
  t.match(await proof(lab), {
    ...{ received: { events: 12 }, delivered: { backup: { events: 5 } }, differences: [] },
    pending: ['7 events are in no part yet.'],
  })
  await lab.db.execute(`update deliveries set state = 'pending' where destination = 'client'`)
  await rm(path.join(lab.backupFolder, '..', 'client'), { recursive: true })
  t.match((await proof(lab)).pending.join('\n'), /client: part .* with 5 events is not delivered yet/)
  await rm(lab.backupFolder, { recursive: true })
  await writeFile(lab.backupFolder, 'no folder')
  t.match((await proof(lab)).differences.join('\n'), /backup cannot be read/)
})

t.test('a part of which events were erased stays proven: what was metered does not change', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  for (const day of [11, 12]) {
    await lab.visit('example.com', `2026-10-${day}T12:00:00.000000Z`, 10)
    await lab.exporting.exporter.run()
  }
  await lab.billing.runOnce()
  const before = await fromBucket(lab)
  // As an erasure leaves it: one row less in the object, and a revision of the manifest as the new head of the chain.
  const [first = '', head = ''] = await filesOf(lab, 'manifests')
  const manifest = JSON.parse(await readFile(first, 'utf8')) as Manifest
  const objects: Manifest['objects'] = []
  for (const object of manifest.objects) {
    const file = path.join(lab.backupFolder, object.key)
    const lines = gunzipSync(await readFile(file))
      .toString()
      .trimEnd()
      .split('\n')
      .slice(1)
    const bytes = gzipSync(`${lines.join('\n')}\n`)
    await writeFile(file, bytes)
    objects.push({ ...object, rows: lines.length, bytes: bytes.length, sha256: sha256Of(bytes) })
  }
  const revision = {
    ...{ ...manifest, objects, revision: 1, erased: 1, usage: manifest.usage.map((one) => ({ ...one, erased: 1 })) },
    supersedes_sha256: sha256Of(await readFile(first)),
    previous_manifest_sha256: sha256Of(await readFile(head)),
  }
  const revisionFile = first.replace(/\.json$/, '.r1.json')
  await writeFile(revisionFile, JSON.stringify(revision, null, 2))
  t.strictSame(await fromBucket(lab), before, 'from the bucket: the same figures, and no difference')
  await lab.db.execute(`update export_parts set revision = 1 where seq = 1`)
  const found = await proof(lab)
  t.match(found, { received: { events: 20 }, delivered: { backup: { events: 20 } }, billed: { events: 20 } })
  t.strictSame(
    found.differences.filter((one) => !one.startsWith('client')),
    [],
  )

  await writeFile(revisionFile, JSON.stringify({ ...revision, erased: 2 }, null, 2))
  t.match((await fromBucket(lab)).differences.join('\n'), /counts 2 erased, but its sites add up to 1/)
})
