import { copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { createVault } from '../../../src/agents/vault/vault.ts'
import { systemClock } from '../../../src/clock.ts'
import { silentLog } from '../../../src/log.ts'
import { createFolderDestination } from '../../../src/storage/folder-destination.ts'
import { storeBatch } from '../lab.ts'
import { shareServer, storeDays, untilMs, type VaultLab, vaultLab } from './lab.ts'
import { frontmatterOf, problemsOf } from './read-note.ts'

await shareServer(t)

/** What people do to the files of the vault, here and in the copy at the destination. */
const lastDay = 'daily_reports/2026-11-19 harbor-tea.example.md'
const dayBefore = 'daily_reports/2026-11-18 harbor-tea.example.md'

const shop = async (t: Parameters<typeof vaultLab>[0]) => {
  const lab = await vaultLab(t)
  await storeDays(lab.db)
  await lab.run()
  await lab.vault.write({ kind: 'nightly' })
  const here = (at: string): string => path.join(lab.folder.root, at)
  const there = (at: string): string => path.join(lab.bucketRoot, 'vault', 'n1', at)
  const edit = async (place: string, change: (text: string) => string): Promise<void> =>
    writeFile(place, change(await readFile(place, 'utf8')))
  return { ...lab, here, there, edit, read: (place: string) => readFile(place, 'utf8').catch(() => null) }
}
/** A late order changes the last day, and the weeks. */
const sendNews = async ({ db, run }: VaultLab, day = '2026-11-19'): Promise<void> => {
  const at = Date.parse(`${day}T12:00:00Z`)
  await storeBatch(db, [
    { type: 'pageview', at, site: 'harbor-tea.example', visitor: `late-${day}`, created: untilMs + 120_000 },
    {
      ...{ type: 'purchase', at: at + 1_000, site: 'harbor-tea.example', visitor: `late-${day}` },
      ...{ created: untilMs + 120_000, data: { orderId: `late-${day}`, total: 9_999 } },
    },
  ])
  await run()
}
const write = (lab: VaultLab) => lab.vault.write({ kind: 'nightly' })

t.test('a run without news writes no byte, neither here nor there', async (t) => {
  const lab = await shop(t)
  const before = await lab.files()
  const stamps = await stampsOf(lab.bucketRoot)
  t.ok(before.size > 30)
  t.same(await write(lab), { written: 0, conflicts: 0, taken: 0, delivered: 0, problems: 0, error: null })
  t.same(await lab.vault.write({ kind: 'hourly', days: [] }), {
    ...{ written: 0, conflicts: 0, taken: 0, delivered: 0, problems: 0, error: null },
  })
  t.same(await lab.files(), before)
  t.same(await stampsOf(lab.bucketRoot), stamps)

  await sendNews(lab)
  const { written, delivered } = await lab.vault.write({
    ...{ kind: 'hourly', days: [{ siteId: 'harbor-tea.example', day: '2026-11-19' }] },
  })
  t.ok(written >= 1 && written <= 4, `${written} files: the day, and what names it`)
  t.equal(delivered, written)
  t.equal((await lab.files()).get(dayBefore)?.mtimeMs, before.get(dayBefore)?.mtimeMs)
})

const stampsOf = async (root: string): Promise<string[]> => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  return Promise.all(files.sort().map(async (file) => `${file} ${(await stat(file)).mtimeMs}`))
}

t.test('words of a person stay, and reach the destination', async (t) => {
  const lab = await shop(t)
  await lab.edit(lab.here(lastDay), (text) => text.replace('## My notes\n', '## My notes\n\nThe campaign began.\n'))
  await lab.edit(lab.here(dayBefore), (text) => `${text}\nOlder words.\n`)
  await sendNews(lab)
  t.match(await write(lab), { conflicts: 0, error: null })
  for (const place of [lab.here(lastDay), lab.there(lastDay)]) {
    t.match(await lab.read(place), 'The campaign began.')
    t.match(await lab.read(place), '9,999')
  }
  t.match(await lab.read(lab.there(dayBefore)), 'Older words.')
})

t.test('an edit inside of a region is kept, and shown as what it is', async (t) => {
  const lab = await shop(t)
  await lab.edit(lab.here(lastDay), (text) => text.replace('| Sessions |', '| Sessions (wrong!) |'))
  await sendNews(lab)
  t.match(await write(lab), { conflicts: 1 })
  const text = (await lab.read(lab.here(lastDay))) ?? ''
  t.match(text, 'Sessions (wrong!)')
  t.match(text, /> \[!warning\]- You changed this part/)
  t.match(text, /> \| Revenue \| \\\$1\d,\d{3}/)
  t.match(frontmatterOf(text), { evo_conflict: true })
  t.same(await problemsOf(text, new Set((await lab.files()).keys())), [])
  t.match(await write(lab), { written: 0, delivered: 0, conflicts: 1 })
})

t.test('a note that was renamed or moved is followed, and links lead to it', async (t) => {
  const lab = await shop(t)
  await mkdir(lab.here('mine'), { recursive: true })
  await rename(lab.here(lastDay), lab.here('mine/The big day.md'))
  await sendNews(lab)
  await write(lab)
  t.match(await lab.read(lab.here('mine/The big day.md')), '9,999')
  t.equal(await lab.read(lab.here(lastDay)), null)
  t.match(await lab.read(lab.here(dayBefore)), '[[mine/The big day|2026-11-19]]')
  t.match(await lab.read(lab.there('mine/The big day.md')), '9,999')
  t.equal(await lab.read(lab.there(lastDay)), null)
  t.match(await write(lab), { written: 0, delivered: 0 })
})

t.test('two notes whose names were swapped stay two notes', async (t) => {
  const lab = await shop(t)
  await lab.edit(lab.here(lastDay), (text) => `${text}\nOf the last day.\n`)
  await rename(lab.here(lastDay), lab.here('aside'))
  await rename(lab.here(dayBefore), lab.here(lastDay))
  await rename(lab.here('aside'), lab.here(dayBefore))
  await sendNews(lab)
  t.match(await write(lab), { error: null, problems: 0 })
  for (const of of [lab.here, lab.there]) {
    t.match(await lab.read(of(dayBefore)), /evo_day: 2026-11-19[\s\S]*9,999[\s\S]*Of the last day/)
    t.match(await lab.read(of(lastDay)), /evo_day: 2026-11-18/)
    t.notMatch(await lab.read(of(lastDay)), 'Of the last day')
    t.notMatch((await readdir(of('daily_reports'))).join(), 'other copy')
  }
  t.match(await write(lab), { written: 0, delivered: 0 })
})

t.test('a note that was deleted stays away, and comes back where somebody puts an empty file', async (t) => {
  const lab = await shop(t)
  await rm(lab.here(lastDay))
  await sendNews(lab)
  await write(lab)
  t.equal(await lab.read(lab.here(lastDay)), null)
  t.equal(await lab.read(lab.there(lastDay)), null, 'the copy goes, too')
  const names = new Set((await lab.files()).keys())
  for (const [, { text }] of await lab.files()) t.notMatch(text, '[[daily_reports/2026-11-19 harbor-tea.example|')
  t.same(await problemsOf((await lab.read(lab.here('_index.md'))) ?? '', names), [])
  await writeFile(lab.here(lastDay), '')
  await write(lab)
  t.match(await lab.read(lab.here(lastDay)), '9,999')
  t.match(await lab.read(lab.there(lastDay)), '9,999')
})

t.test('a copy of a note is the person’s own', async (t) => {
  const lab = await shop(t)
  await copyFile(lab.here(lastDay), lab.here('daily_reports/copy.md'))
  const copied = await lab.read(lab.here('daily_reports/copy.md'))
  await sendNews(lab)
  await write(lab)
  t.equal(await lab.read(lab.here('daily_reports/copy.md')), copied)
  t.match(await lab.read(lab.here(lastDay)), '9,999')
})

t.test('a file of a person is never taken for a new note', async (t) => {
  const lab = await vaultLab(t)
  await storeDays(lab.db)
  await lab.run()
  const place = path.join(lab.folder.root, lastDay)
  await mkdir(path.dirname(place), { recursive: true })
  await writeFile(place, '# My own words\n')
  await write(lab)
  t.equal(await readFile(place, 'utf8'), '# My own words\n')
  t.match(await readFile(place.replace('.md', ' (2).md'), 'utf8'), 'evo_id: day-harbor-tea.example-2026-11-19')
})

t.test('a lost disk is no deletion: everything comes back, with what people wrote', async (t) => {
  const lab = await shop(t)
  await lab.edit(lab.here(lastDay), (text) => `${text}\nPrecious words.\n`)
  await write(lab)
  await rm(lab.folder.root, { recursive: true })
  await write(lab)
  t.match(await lab.read(lab.here(lastDay)), 'Precious words.')
  t.match(await lab.read(lab.there(lastDay)), 'Precious words.')
  t.match(await write(lab), { written: 0, delivered: 0 })
})

t.test('an emptied destination is filled again', async (t) => {
  const lab = await shop(t)
  const { size } = await lab.files()
  await rm(lab.there(''), { recursive: true })
  t.match(await write(lab), { written: 0, delivered: size, error: null })
})

t.test('words in the copy at the destination are fetched first, and merged', async (t) => {
  const lab = await shop(t)
  await lab.edit(lab.there(lastDay), (text) => text.replace('## My notes\n', '## My notes\n\nFrom the phone.\n'))
  await sendNews(lab)
  t.match(await write(lab), { taken: 1, conflicts: 0, error: null })
  for (const place of [lab.here(lastDay), lab.there(lastDay)]) {
    t.match(await lab.read(place), 'From the phone.')
    t.match(await lab.read(place), '9,999')
  }
  t.match(await write(lab), { written: 0, delivered: 0, taken: 0 })

  t.test('inside of a region, too', async (t) => {
    await lab.edit(lab.there(dayBefore), (text) => text.replace('| Sessions |', '| Sessions, says Ann |'))
    t.match(await write(lab), { taken: 1, conflicts: 1 })
    t.match(await lab.read(lab.here(dayBefore)), 'Sessions, says Ann')
    t.match(await lab.read(lab.there(dayBefore)), 'You changed this part')
  })
})

t.test('written by a program that changes nothing: nothing happens', async (t) => {
  const lab = await shop(t)
  await utimes(lab.there(lastDay), new Date(), new Date(Date.now() + 60_000))
  t.match(await write(lab), { written: 0, delivered: 0, taken: 0 })
  await writeFile(lab.there(dayBefore), 'torn')
  await write(lab)
  t.match(await lab.read(lab.here(dayBefore)), 'torn', 'what somebody wrote there is theirs')
})

t.test('changed here and there: both are kept', async (t) => {
  const lab = await shop(t)
  await lab.edit(lab.here(lastDay), (text) => `${text}\nWords from here.\n`)
  await lab.edit(lab.there(lastDay), (text) => `${text}\nWords from there.\n`)
  t.match(await write(lab), { error: null })
  for (const of of [lab.here, lab.there]) {
    t.match(await lab.read(of(lastDay)), 'Words from here.')
    const [copy = ''] = (await readdir(of('daily_reports'))).filter((name) => name.includes('other copy'))
    t.match(await lab.read(of(`daily_reports/${copy}`)), 'Words from there.')
    t.match(await lab.read(of(`daily_reports/${copy}`)), 'evo_copy_of: day-harbor-tea.example-2026-11-19')
  }
  t.match(await write(lab), { written: 0, delivered: 0, taken: 0 })
})

t.test('a copy that was moved or deleted at the destination', async (t) => {
  const lab = await shop(t)
  await mkdir(lab.there('mine'))
  await rename(lab.there(lastDay), lab.there('mine/big.md'))
  await rm(lab.there(dayBefore))
  await write(lab)
  t.match(await lab.read(lab.here('mine/big.md')), 'evo_id: day-harbor-tea.example-2026-11-19')
  t.equal(await lab.read(lab.here(lastDay)), null)
  t.equal(await lab.read(lab.here(dayBefore)), null)
  t.equal(await lab.read(lab.there(dayBefore)), null)
  t.match(await write(lab), { written: 0, delivered: 0, error: null })
})

t.test('one day alone: links lead to what is there', async (t) => {
  const lab = await vaultLab(t)
  await storeDays(lab.db)
  await lab.run()
  await lab.vault.write({ kind: 'nightly', day: '2026-11-18', site: 'harbor-tea.example' })
  const files = await lab.files()
  const names = new Set(files.keys())
  t.same(
    [...names].filter((at) => /_reports\/|funnel_analysis\//.test(at)),
    [dayBefore],
  )
  for (const [at, { text }] of files) if (at.endsWith('.md')) t.same(await problemsOf(text, names), [], at)
})

t.test('fewer profiles: the others go, and nothing leads to them', async (t) => {
  const lab = await shop(t)
  const profiles = async (root: string) => (await readdir(path.join(root, 'customer_profiles'))).sort()
  const [kept = '', ...all] = await profiles(lab.folder.root)
  t.ok(all.length > 5)
  const last = all.at(-1) ?? ''
  await lab.edit(lab.here(`customer_profiles/${last}`), (text) => `${text}\nKnows our founder.\n`)
  const fewer = createVault({
    ...{ db: lab.db, folder: lab.folder, clock: systemClock, log: silentLog, nodeId: 'n1', timeZone: 'UTC' },
    ...{ destination: createFolderDestination('client', lab.bucketRoot), narrator: null, pauseMs: 0 },
    ...{ customersMax: 0, keepDays: undefined },
  })
  t.match(await fewer.write({ kind: 'nightly' }), { error: null })
  t.same(await profiles(lab.folder.root), [last])
  t.same(await profiles(lab.there('')), [last])
  t.equal(await lab.read(lab.here(`customer_profiles/${kept}`)), null)
  t.match(await lab.read(lab.here(`customer_profiles/${last}`)), 'Knows our founder.')
  t.notMatch(await lab.read(lab.here(`customer_profiles/${last}`)), /User:|evo_orders/)
  const files = await lab.files()
  const names = new Set(files.keys())
  for (const [at, { text }] of files) if (at.endsWith('.md')) t.same(await problemsOf(text, names), [], at)
  t.match(await fewer.write({ kind: 'nightly' }), { written: 0, delivered: 0 })
  t.match(await write(lab), { error: null })
  t.equal((await profiles(lab.folder.root)).length, all.length + 1, 'they come back')
  t.match(await lab.read(lab.here(`customer_profiles/${last}`)), /User:[\s\S]*Knows our founder\./)
})

t.test('what cannot be a note at the destination is never written over', async (t) => {
  const lab = await shop(t)
  const bytes = Buffer.from([0x50, 0x4b, 0xff, 0xfe, 0x00])
  await writeFile(lab.there(lastDay), bytes)
  await sendNews(lab)
  t.match(await write(lab), { problems: 1, error: null })
  t.same(await readFile(lab.there(lastDay)), bytes)
  t.match(await lab.read(lab.here(lastDay)), '9,999')
  t.match(await lab.vault.status(), { pending: 1 })
})

t.test('keys at the destination never lead out of the vault', async (t) => {
  const lab = await shop(t)
  const text = (await lab.read(lab.here(lastDay))) ?? ''
  for (const key of ['../../outside.md', '.obsidian/plugins/x/main.md', 'a/../../b.md']) {
    await mkdir(path.dirname(lab.there(key)), { recursive: true })
    await writeFile(lab.there(key), text)
  }
  await rm(lab.there(lastDay))
  const before = (await readdir(path.dirname(lab.folder.root))).sort()
  t.match(await write(lab), { error: null })
  t.same((await readdir(path.dirname(lab.folder.root))).sort(), before)
  t.equal(await lab.read(lab.here('.obsidian/plugins/x/main.md')), null)
  for (const at of ['../x.md', '/etc/x', 'a//b', '.git/config', 'a\\b', 'a\0b', ''])
    await t.rejects(
      lab.folder.update(at, () => 'x'),
      /no place in the vault/,
      JSON.stringify(at),
    )
})

t.test('a dashboard that a person changed is theirs', async (t) => {
  const lab = await shop(t)
  await writeFile(lab.here('daily_reports.base'), 'views: []\n')
  await sendNews(lab)
  await write(lab)
  t.equal(await lab.read(lab.here('daily_reports.base')), 'views: []\n')
  t.equal(await lab.read(lab.there('daily_reports.base')), 'views: []\n')
})

t.test('a file that cannot be a note is left as it is, and the others are written', async (t) => {
  const lab = await shop(t)
  await writeFile(lab.here(lastDay), Buffer.from([0x2d, 0xff, 0xfe, 0x00]))
  await sendNews(lab)
  t.match(await write(lab), { problems: 1, error: null })
  t.same(await readFile(lab.here(lastDay)), Buffer.from([0x2d, 0xff, 0xfe, 0x00]))
  t.match(await lab.read(lab.here('_index.md')), '2026-11-19')
})

t.test('notes of days are kept as long as is set; where somebody wrote, their words stay', async (t) => {
  const lab = await vaultLab(t, { keepDays: 3 })
  await storeDays(lab.db)
  await lab.run()
  await write(lab)
  const days = [...(await lab.files()).keys()].filter((at) => /^daily_reports\/.*harbor/.test(at))
  t.same(
    days.map((at) => at.slice(14, 24)),
    ['2026-11-18', '2026-11-19'],
    'the newest day is the one after: of three days',
  )
  await writeFile(
    path.join(lab.folder.root, dayBefore),
    `${await readFile(path.join(lab.folder.root, dayBefore), 'utf8')}\nKeep this.\n`,
  )
  await storeBatch(lab.db, [{ type: 'pageview', at: '2026-11-25T12:00:00Z', site: 'tick.example', visitor: 'tick' }])
  await lab.run()
  await write(lab)
  const left = [...(await lab.files()).keys()].filter((at) => /^daily_reports\/.*harbor/.test(at))
  t.same(
    left.filter((at) => at < 'daily_reports/2026-11-20'),
    [dayBefore],
  )
  const text = await readFile(path.join(lab.folder.root, dayBefore), 'utf8')
  t.match(text, 'Keep this.')
  t.match(text, 'no longer kept up to date')
  t.notMatch(text, /Sessions|evo_sessions/)
  t.same(await problemsOf(text, new Set()), [])
  t.match(await write(lab), { written: 0, delivered: 0 })
})
