import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { load } from 'js-yaml'
import t from 'tap'
import { z } from 'zod'
import type { Narrative } from '../../../src/agents/narrative.ts'
import { funnelSteps } from '../../../src/demo/funnel.ts'
import { generateTraffic } from '../../../src/demo/generate.ts'
import { storeBatch, storeTraffic } from '../lab.ts'
import { untilMs, vaultLab } from './lab.ts'
import { diagramsIn, frontmatterOf, problemsOf } from './read-note.ts'

/** What was planted into the traffic stands in the notes, as printed; and every note is one that all readers take. */
const seeds = Array.from({ length: process.env.STORM ? 6 : 1 }, (_, index) => 81_001 + index)
const number = (value: number): string => value.toLocaleString('en-US')
/** Rows of the tables in a note, cells without the marks that keep them from being obeyed. */
const rowsOf = (text: string): string[][] =>
  text
    .split('\n')
    .map((line) => line.replace(/^> /, ''))
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replace(/\\(.)/g, '$1')),
    )
const rowOf = (text: string, ...first: string[]): string[] =>
  rowsOf(text).find((row) => first.every((cell, at) => row[at] === cell)) ?? []

for (const seed of seeds)
  t.test(`what was planted is printed (seed ${seed})`, async (t) => {
    const lab = await vaultLab(t)
    const traffic = generateTraffic({ events: 40_000, sites: 2, days: 28, untilMs, seed, anomaly: {} })
    await storeTraffic(lab.db, traffic.requests, untilMs)
    await lab.run()
    const first = await lab.vault.write({ kind: 'nightly' })
    t.match(first, { problems: 0, conflicts: 0, error: null })
    const files = await lab.files()
    const planted = traffic.planted()
    const notes = (folder: string): [string, string][] =>
      [...files].filter(([at]) => at.startsWith(`${folder}/`) && at.endsWith('.md')).map(([at, { text }]) => [at, text])
    const days = notes('daily_reports').filter(([at]) => !at.includes('tick.example'))
    const sum = (title: string): number =>
      days.reduce((all, [, text]) => all + Number((rowOf(text, title)[1] ?? '').replaceAll(/[$,]/g, '')), 0)

    t.equal(sum('Sessions'), planted.sessions)
    t.equal(
      sum('Orders'),
      Object.values(planted.sites).reduce((all, { sales }) => all + sales.orders, 0),
    )
    t.equal(
      days.reduce((all, [, text]) => all + Number(frontmatterOf(text).evo_sessions), 0),
      planted.sessions,
      'also in the properties',
    )
    for (const [site, { funnel }] of Object.entries(planted.sites)) {
      const [, text = ''] = notes('funnel_analysis').find(([at]) => at.endsWith(`/${site} shop.md`)) ?? []
      const stages = text.slice(text.indexOf('## Stages'))
      const rows = rowsOf(stages).slice(2, 2 + funnelSteps.length)
      t.same(
        rows.map(([, reached]) => reached),
        funnel.map(number),
        `${site}: every step as it was planted`,
      )
      const [visit = 0, product = 0] = funnel
      t.equal(rows[0]?.[5], `${((1 - product / visit) * 100).toFixed(1).replace('.0', '')} %`)
    }
    const alerts = notes('dropoff_alerts')
    t.ok(alerts.length > 0)
    t.ok(
      alerts.some(([, text]) => {
        const found = frontmatterOf(text)
        return found.evo_site === planted.anomaly?.siteId && found.evo_state === 'open'
      }),
      'the planted anomaly has an alert',
    )
    for (const [at, text] of alerts) {
      t.match(text, /\| Now \| [\d.]+ % \| [\d.]+ % to [\d.]+ % \| [\d,]+ \|/, at)
      t.match(text, /Estimated loss of revenue: \\\$/)
    }
    t.ok(notes('heatmaps').length > 0 && notes('segments').length === 8 && notes('customer_profiles').length === 100)

    t.test('every note is read by every reader, and shows what it has to', async (t) => {
      const names = new Set(files.keys())
      const types = new Map<string, string>()
      const kinds = new Set<string>()
      for (const [at, { text }] of files) {
        if (!at.endsWith('.md')) continue
        const problems = await problemsOf(text, names)
        if (problems.length > 0) t.fail(`${at}: ${problems.slice(0, 4).join('\n')}`)
        for (const [key, value] of Object.entries(frontmatterOf(text))) {
          const type = Array.isArray(value) ? 'list' : value instanceof Date ? 'date' : typeof value
          if (value !== null && types.has(key) && types.get(key) !== type) t.fail(`${at}: ${key} is ${type}`)
          if (value !== null) types.set(key, type)
        }
        for (const diagram of diagramsIn(text)) kinds.add(diagram.split(/\s/)[0] ?? '')
      }
      t.same([...kinds].sort(), ['flowchart', 'pie', 'sankey-beta', 'timeline', 'xychart-beta'])
      const headings: Record<string, string[]> = {
        daily_reports: [
          'The day in figures',
          'Funnels',
          'Where people were lost',
          'Where they came from',
          'Devices, new and returning',
          'Pages and paths',
          'Searches, slow pages, trouble',
          'Tracking',
          'Related',
        ],
        funnel_analysis: [
          'Flow',
          'Stages',
          'Conversion by day',
          'By device, source and visitor',
          'Cohorts',
          'Attribution',
          'What goes with it',
        ],
        dropoff_alerts: ['What it costs', 'Who is affected', 'What else was unusual', 'What to do'],
        customer_profiles: ['Figures', 'Attributes', 'Visits', 'Path', 'Over time', 'Segments', 'Funnels'],
        segments: ['Size by day', 'What its members are worth', 'Members with a profile'],
        heatmaps: ['Clicks', 'How far down', 'What was clicked'],
      }
      for (const [folder, all] of Object.entries(headings))
        for (const [at, text] of notes(folder))
          for (const heading of all) if (!text.includes(`\n## ${heading}\n`)) t.fail(`${at} has no ${heading}`)
      const [, middle = ''] = days.find(([at]) => at.includes('2026-11-10 harbor-tea')) ?? []
      t.match(middle, /\[\[daily_reports\/2026-11-09 [^|]+\|.*\[\[daily_reports\/2026-11-11 /, 'its neighbours')
    })

    t.test('dashboards ask for properties that notes have', (t) => {
      const column = z.string().regex(/^(file\.name|note\.(evo_[a-z_]+|status))$/)
      const baseSchema = z.strictObject({
        filters: z.strictObject({ and: z.array(z.string().regex(/^evo_type == "[a-z_]+"$/)).length(1) }),
        properties: z.record(column, z.strictObject({ displayName: z.string() })),
        views: z
          .array(
            z.strictObject({
              type: z.literal('table'),
              name: z.string(),
              filters: z.strictObject({ and: z.array(z.string()) }).optional(),
              groupBy: z.strictObject({ property: column, direction: z.enum(['ASC', 'DESC']) }).optional(),
              order: z.array(column),
              sort: z.array(z.strictObject({ property: column, direction: z.enum(['ASC', 'DESC']) })),
            }),
          )
          .min(1),
      })
      const known = new Map<unknown, Set<string>>()
      for (const [, { text }] of files) {
        const found = frontmatterOf(text)
        known.set(found.evo_type, new Set([...(known.get(found.evo_type) ?? []), ...Object.keys(found)]))
      }
      const bases = [...files].filter(([at]) => at.endsWith('.base'))
      t.equal(bases.length, 7)
      for (const [at, { text }] of bases) {
        const base = baseSchema.parse(load(text))
        const kind = /"(.+)"/.exec(base.filters.and[0] ?? '')?.[1]
        for (const one of base.views.flatMap(({ order }) => order).filter((one) => one !== 'file.name'))
          t.ok(known.get(kind)?.has(one.replace('note.', '')), `${at}: ${one}`)
      }
      t.end()
    })

    t.test('the status of an alert is the person’s', async (t) => {
      const [[at, text] = ['', '']] = alerts
      await writeFile(path.join(lab.folder.root, at), text.replace('status: open', 'status: acknowledged'))
      await storeBatch(lab.db, [
        {
          type: 'pageview',
          at: '2026-11-19T12:00:00Z',
          site: 'harbor-tea.example',
          visitor: 'late',
          created: untilMs + 120_000,
        },
      ])
      await lab.run()
      await lab.vault.write({ kind: 'nightly' })
      t.match(frontmatterOf((await lab.files()).get(at)?.text ?? ''), { status: 'acknowledged', evo_state: 'open' })
    })
  })

t.test('what a narrator writes is text, whatever it says; values and names are printed from the facts', async (t) => {
  const asked: string[] = []
  const lab = await vaultLab(t, {
    narrator: () => async (requests) => {
      const texts = new Map<string, Narrative>()
      for (const { noteId, facts, subject } of requests) {
        asked.push(subject)
        for (const fact of facts) if (fact.isPersonal || fact.n < 10) t.fail(`${fact.id} may not be told`)
        const [fact] = facts
        if (!fact) continue
        texts.set(noteId, {
          source: 'model',
          paragraphs: [
            [
              { kind: 'text', text: '# Read [this](https://x.example) <b>now</b> %% and `= it` ' },
              { kind: 'fact', factId: fact.id, format: 'value' },
              { kind: 'text', text: '%' },
              { kind: 'text', text: '% [[x' },
              { kind: 'text', text: ']] ' },
              { kind: 'fact', factId: 'f_0000000000000000', format: 'value' },
            ],
            [{ kind: 'text', text: '%% evothesis:end summary %%' }],
          ],
        })
      }
      return texts
    },
  })
  await storeTraffic(lab.db, generateTraffic({ events: 3_000, sites: 1, days: 4, untilMs, seed: 5 }).requests, untilMs)
  await lab.run()
  t.match(await lab.vault.write({ kind: 'nightly' }), { problems: 0, conflicts: 0 })
  const files = await lab.files()
  const names = new Set(files.keys())
  let written = 0
  for (const [at, { text }] of files) {
    if (!at.endsWith('.md')) continue
    const problems = await problemsOf(text, names)
    if (problems.length > 0) t.fail(`${at}: ${problems.slice(0, 4).join('\n')}`)
    if (frontmatterOf(text).evo_text === 'model') written++
  }
  t.ok(written > 5)
  t.notOk(asked.includes('customer'))
  t.match(await lab.vault.write({ kind: 'nightly' }), { written: 0, conflicts: 0, delivered: 0 })
})
