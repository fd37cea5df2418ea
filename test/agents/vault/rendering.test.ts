import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { createVault } from '../../../src/agents/vault/vault.ts'
import { systemClock } from '../../../src/clock.ts'
import { silentLog } from '../../../src/log.ts'
import { createFolderDestination } from '../../../src/storage/folder-destination.ts'
import { shareServer, storeDays, vaultLab } from './lab.ts'

await shareServer(t)

/** Notes that have no news are not made anew; what else must not be missed. */
const lastDay = 'daily_reports/2026-11-19 harbor-tea.example.md'
const nothing = { written: 0, conflicts: 0, taken: 0, delivered: 0, problems: 0, error: null }

const shop = async (t: Parameters<typeof vaultLab>[0]) => {
  const lab = await vaultLab(t)
  await storeDays(lab.db)
  await lab.run()
  await lab.vault.write({ kind: 'nightly' })
  const here = (at: string): string => path.join(lab.folder.root, at)
  const there = (at: string): string => path.join(lab.bucketRoot, 'vault', 'n1', at)
  const write = () => lab.vault.write({ kind: 'nightly' })
  return { ...lab, here, there, write, read: (place: string) => readFile(place, 'utf8') }
}

t.test('a note is made anew when its report has another hash, and not before', async (t) => {
  const lab = await shop(t)
  const fake = (text: string) =>
    lab.db.execute(
      `update reports set body = replace(body::text, '"isComplete":true', '"isComplete":false')::json ${text}
       where kind = 'day' and site_id = 'harbor-tea.example' and key = '2026-11-19'`,
    )
  t.equal(await fake(''), 1)
  t.same(await lab.write(), nothing, 'the report is not even read')
  t.match(await lab.read(lab.here(lastDay)), 'evo_complete: true')
  await fake(`, sha256 = 'other'`)
  t.match(await lab.write(), { written: 1, delivered: 1 })
  t.match(await lab.read(lab.here(lastDay)), 'evo_complete: false')
})

t.test('another version of the program makes every note anew', async (t) => {
  const lab = await shop(t)
  await lab.db.execute(
    `update reports set body = replace(body::text, '"isComplete":true', '"isComplete":false')::json where kind = 'day'`,
  )
  t.same(await lab.write(), nothing)
  // As after an upgrade: what a note was made from names the program, too.
  await lab.db.execute(`update notes set rendered = jsonb_set(rendered::jsonb, '{from}', '"older"')::text`)
  const { written } = await lab.write()
  t.ok(written >= 6, `${written} days`)
  t.match(await lab.read(lab.here(lastDay)), 'evo_complete: false')
  t.same(await lab.write(), nothing)
})

t.test('a file that is not as it was left is seen, whatever its times say', async (t) => {
  const lab = await shop(t)
  const text = await lab.read(lab.here(lastDay))
  await writeFile(lab.here(lastDay), text.replace('| Sessions |', '| Visits, says Ann |'))
  t.match(await lab.write(), { written: 1, delivered: 1, conflicts: 1 })
  t.match(await lab.read(lab.there(lastDay)), 'Visits, says Ann')
  t.match(await lab.write(), { written: 0, delivered: 0, conflicts: 1 }, 'and told of by each run')
  await writeFile(lab.here(lastDay), text)
  t.match(await lab.write(), { delivered: 1, conflicts: 0 })
  t.equal(await lab.read(lab.there(lastDay)), text)
  t.same(await lab.write(), nothing)
})

t.test('a picture that was changed or deleted comes back', async (t) => {
  const lab = await shop(t)
  const pictures = [...(await lab.files()).keys()].filter((at) => at.endsWith('.svg'))
  const [first = '', second = ''] = pictures
  t.ok(pictures.length > 1)
  const texts = [await lab.read(lab.here(first)), await lab.read(lab.here(second))]
  await rm(lab.here(first))
  await writeFile(lab.here(second), '<svg/>')
  t.match(await lab.write(), { written: 2, error: null })
  t.same([await lab.read(lab.here(first)), await lab.read(lab.here(second))], texts)
  t.same([await lab.read(lab.there(first)), await lab.read(lab.there(second))], texts)
  t.same(await lab.write(), nothing)
})

t.test('what a note was made from names no person', async (t) => {
  const lab = await shop(t)
  const rows = await lab.db.query<{ kind: string; rendered: string }>(
    'select kind, rendered from notes where rendered is not null',
  )
  t.ok(rows.some(({ kind }) => kind === 'customer_profile'))
  for (const { kind, rendered } of rows) t.notMatch(rendered, /c_[0-9a-f]{16}/, kind)
})

t.test('of a site that the client is not to have there is no note', async (t) => {
  const lab = await shop(t)
  const sites = await lab.db.query<{ site_id: string }>(
    `select distinct site_id from reports where kind = 'day' and site_id <> 'harbor-tea.example' order by 1`,
  )
  const other = sites.map(({ site_id }) => site_id).find((site) => site !== 'tick.example') ?? ''
  const before = [...(await lab.files()).keys()]
  t.ok(before.some((at) => at.includes(other)))
  await writeFile(
    lab.here(`daily_reports/2026-11-18 ${other}.md`),
    `${await lab.read(lab.here(`daily_reports/2026-11-18 ${other}.md`))}\nMy words.\n`,
  )
  const narrowed = createVault({
    ...{ db: lab.db, folder: lab.folder, clock: systemClock, log: silentLog, nodeId: 'n1', timeZone: 'UTC' },
    ...{ destination: createFolderDestination('client', lab.bucketRoot), narrator: null, pauseMs: 0 },
    ...{ customersMax: 100, keepDays: undefined, isForClient: (site) => site !== other },
  })
  t.match(await narrowed.write({ kind: 'nightly' }), { error: null, problems: 0 })
  const files = await lab.files()
  t.ok(files.has(lastDay))
  const left = [...files].filter(([at, { text }]) => at.includes(other) || text.includes(other))
  t.same(
    left.map(([at]) => at),
    [`daily_reports/2026-11-18 ${other}.md`],
    'but for what a person wrote',
  )
  t.match(left[0]?.[1].text, 'My words.')
  t.notMatch(left[0]?.[1].text, /Sessions|evo_sessions/)
  t.same(await narrowed.write({ kind: 'nightly' }), nothing)
  t.match(await lab.write(), { error: null })
  t.same([...(await lab.files()).keys()], before, 'they come back with the rule gone')
})
