import fc from 'fast-check'
import t from 'tap'
import { contentOf, mergeNote, noteIdOf, personSha } from '../../../src/agents/vault/merge-note.ts'
import { regionSha } from '../../../src/agents/vault/regions.ts'
import { seedOf } from '../../support/random.ts'
import { frontmatterOf } from './read-note.ts'

/** What a person does to a note between two runs, and what is left of it after the next one. */
const content = (summary: string, figures = 'Nine sessions.', more: { evo_size?: number } = {}) => ({
  properties: { evo_id: 'day-1', evo_type: 'daily_report', evo_size: 9, ...more },
  firstProperties: { status: 'open', tags: ['evothesis/day'] },
  regions: [
    { name: 'summary', body: summary },
    { name: 'figures', body: figures },
  ],
})
const first = content('All is well.')
const next = content('All is better.')
const fresh = mergeNote(null, first).text
const merge = (text: string | null, note = next) => mergeNote(text, note)

t.test('a new note has its properties, its regions, and room for a person', (t) => {
  t.match(fresh, /^---\nevo_id: day-1\n/)
  t.match(frontmatterOf(fresh), { evo_regions: ['summary', 'figures'], evo_conflict: false, status: 'open' })
  t.match(fresh, /%% evothesis:begin summary v1 sha=[0-9a-f]{16} %%\n\nAll is well\.\n\n%% evothesis:end summary %%\n/)
  t.match(fresh, /\n## My notes\n/)
  t.equal(noteIdOf(fresh), 'day-1')
  t.end()
})

t.test('the same again is the same bytes', (t) => {
  t.equal(mergeNote(fresh, first).text, fresh)
  t.end()
})

t.test('words outside of regions stay byte for byte, wherever they stand', (t) => {
  const edited = fresh
    .replace('## My notes\n', '## My notes\n\nCalled the client.  \n\n- [ ] ask *again*\n\ttab, trailing   \n')
    .replace(
      '%% evothesis:begin figures',
      'Between the regions, `code` and [[a link|x]].\n\n%% evothesis:begin figures',
    )
    .replace('%% evothesis:begin summary', 'Before all of them.\n%% evothesis:begin summary')
  const { text, hasConflict } = merge(edited)
  t.notOk(hasConflict)
  t.equal(
    text,
    edited.replace('All is well.', 'All is better.').replace(regionSha('All is well.'), regionSha('All is better.')),
  )
  t.equal(merge(text).text, text)
  t.end()
})

t.test('a region that a person changed stays, and the new text stands beside it', (t) => {
  const edited = fresh.replace('All is well.', 'All is well, says Ann.')
  const { text, hasConflict } = merge(edited)
  t.ok(hasConflict)
  t.match(text, /All is well, says Ann\.\n\n%% evothesis:end summary %%\n\n%% evothesis:begin summary\.new v1/)
  t.match(text, /> \[!warning\]- You changed this part/)
  t.match(text, /> All is better\./)
  t.match(frontmatterOf(text), { evo_conflict: true })
  t.equal(merge(text).text, text, 'and the same again is the same bytes')

  const later = merge(text, content('All is best.')).text
  t.match(later, /> All is best\./)
  t.notMatch(later, /better/, 'there is one callout, with the latest')
  t.match(later, /says Ann/)
  t.match(later, /Nine sessions\./)

  t.test('it is over when they empty their text', (t) => {
    const emptied = text.replace('All is well, says Ann.', '')
    const { text: after, hasConflict } = merge(emptied)
    t.notOk(hasConflict)
    t.match(after, /begin summary v1 sha=[0-9a-f]{16} %%\n\nAll is better\.\n/)
    t.notMatch(after, /summary\.new/)
    t.match(frontmatterOf(after), { evo_conflict: false })
    t.end()
  })
  t.test('or when they take the new one', (t) => {
    const taken = text.replace('All is well, says Ann.', 'All is better.')
    const { text: after, hasConflict } = merge(taken)
    t.notOk(hasConflict)
    t.notMatch(after, /summary\.new|says Ann/)
    t.end()
  })
  t.end()
})

t.test('a region that a person removed with its fences stays away', (t) => {
  const edited = fresh.replace(/%% evothesis:begin figures[\s\S]*end figures %%\n/, '')
  const { text, hasConflict } = merge(edited)
  t.notOk(hasConflict)
  t.notMatch(text, /Nine sessions/)
  t.match(text, /All is better/)
  t.equal(merge(text).text, text)
  t.end()
})

t.test('a damaged fence: nothing is lost, the new text stands at the end', (t) => {
  for (const broken of [
    fresh.replace(/%% evothesis:end summary %%\n/, ''),
    fresh.replace(/%% evothesis:begin summary[^\n]*\n/, ''),
    fresh.replace(/(begin summary v1 sha=)[0-9a-f]{16}/, '$1oops'),
    fresh.replace('%% evothesis:end summary %%', '%% evothesis:end figures %%'),
  ]) {
    const { text, hasConflict } = merge(broken)
    t.ok(hasConflict)
    t.match(text, /All is well\./, 'what stood there stands')
    t.match(text, /begin summary\.new[\s\S]*> All is better\.[\s\S]*end summary\.new %%\n$/)
    t.equal(merge(text).text, text)
  }
  t.end()
})

t.test('line ends of another system, and a byte order mark, are kept and are no change', (t) => {
  const dos = `\uFEFF${fresh.replaceAll('\n', '\r\n')}`
  t.equal(mergeNote(dos, first).text, dos)
  const { text, hasConflict } = merge(dos)
  t.notOk(hasConflict)
  t.ok(text.startsWith('\uFEFF---\r\n'))
  t.notMatch(text.replaceAll('\r\n', ''), /\n/)
  t.match(text, /All is better\.\r\n/)
  t.equal(noteIdOf(dos), 'day-1')
  t.end()
})

t.test('properties: ours are brought up to date, theirs and their formatting stay', (t) => {
  const edited = fresh
    .replace('status: open', "status:   'acknowledged'  # by Ann")
    .replace('evo_size: 9', '# how many\nevo_size: 12\nmine: [a,   b]\n"quoted key": no')
  const { text } = merge(edited, content('All is better.', 'Nine sessions.', { evo_size: 10 }))
  t.match(text, "status:   'acknowledged'  # by Ann\n")
  t.match(text, '# how many\nevo_size: 10\nmine: [a,   b]\n"quoted key": no\n')
  t.match(frontmatterOf(text), { evo_size: 10, mine: ['a', 'b'], status: 'acknowledged' })
  const without = fresh.replace('status: open\n', '').replace(/tags:\n.*\n/, '')
  t.notMatch(merge(without).text, /status|tags/, 'one that they deleted stays away')
  t.end()
})

t.test('frontmatter that Obsidian wrote anew is taken as it is', (t) => {
  const edited = fresh
    .replace('evo_id: day-1', 'evo_id: "day-1"')
    .replace(/evo_regions:\n.*\n.*\n/, 'evo_regions: [summary, figures]\n')
  const { text } = merge(edited)
  t.match(text, 'evo_id: "day-1"\n')
  t.match(text, 'evo_regions: [summary, figures]\n')
  t.end()
})

t.test('frontmatter that cannot be read, or is gone', (t) => {
  const torn = fresh.replace('evo_size: 9', 'evo_size: [9\n  : }')
  const { text, hasConflict } = merge(torn)
  t.ok(hasConflict)
  t.match(text, 'evo_size: [9\n  : }', 'is left as it is')
  t.match(text, 'All is better.', 'and the rest is brought up to date')
  const twice = fresh.replace('evo_size: 9', 'evo_size: 9\nevo_size: 10')
  t.ok(merge(twice).hasConflict, 'a key twice cannot be read')
  const bare = fresh.replace(/^---[\s\S]*?\n---\n/, '')
  t.match(frontmatterOf(merge(bare).text), { evo_id: 'day-1' })
  t.end()
})

t.test('a block that was copied within the note is the person’s', (t) => {
  const block = /%% evothesis:begin summary[\s\S]*end summary %%/.exec(fresh)?.[0] ?? ''
  const { text } = merge(`${fresh}${block}\n`)
  t.equal(text.split('All is well.').length, 2)
  t.equal(text.split('All is better.').length, 2)
  t.end()
})

t.test('fences that a person writes about are no fences of ours', (t) => {
  const edited = fresh.replace(
    '## My notes\n',
    '## My notes\n\nThey write %% evothesis:begin summary v1 sha=0000000000000000 %% there.\n%% evothesis:begin other v1 sha=0123456789abcdef %%\n',
  )
  const { text, hasConflict } = merge(edited)
  t.notOk(hasConflict)
  t.match(text, 'There'.toLowerCase())
  t.match(text, '%% evothesis:begin other v1 sha=0123456789abcdef %%')
  t.end()
})

t.test('an empty file gets the whole note', (t) => {
  for (const empty of [null, '', '\n', '\uFEFF']) t.equal(mergeNote(empty, first).text, fresh)
  t.end()
})

t.test('a later version’s region stands where it belongs', (t) => {
  const wider = {
    ...next,
    regions: [
      next.regions[0],
      { name: 'middle', body: 'New in this version.' },
      next.regions[1],
    ] as typeof next.regions,
  }
  const { text } = merge(fresh, wider)
  t.match(text, /end summary %%\n\n%% evothesis:begin middle[\s\S]*end middle %%\n\n%% evothesis:begin figures/)
  t.match(frontmatterOf(text), { evo_regions: ['summary', 'figures', 'middle'] })
  t.end()
})

t.test('whose words they are is told apart', (t) => {
  t.equal(personSha(fresh), personSha(merge(fresh).text), 'ours changed')
  t.equal(personSha(fresh), personSha(fresh.replaceAll('\n', '\r\n')))
  for (const change of [
    fresh.replace('## My notes', '## Our notes'),
    fresh.replace('All is well.', 'All is well?'),
    fresh.replace('status: open', 'status: resolved'),
    fresh.replace(/%% evothesis:begin figures[\s\S]*end figures %%\n/, ''),
  ])
    t.not(personSha(change), personSha(fresh))
  t.end()
})

t.test('another copy’s words and our newest parts are put together', (t) => {
  const theirs = fresh.replace('## My notes\n', '## My notes\n\nWritten on the phone.\n')
  const ours = merge(fresh).text
  const { text } = mergeNote(theirs, contentOf(ours))
  t.match(text, 'Written on the phone.')
  t.match(text, 'All is better.')
  t.notMatch(text, 'All is well.')
  t.end()
})

t.test('properties in the ways that editors write them', (t) => {
  const bigger = content('All is well.', 'Nine sessions.', { evo_size: 10 })
  for (const [line, kept] of [
    ['evo_size:\nmine: 1', 'mine: 1'],
    ['evo_size: \nmine: 1', 'mine: 1'],
    ['evo_size:\n  - 1\n  - 2\nmine: 1', 'mine: 1'],
    ['evo_size: |\n  many\n  lines\nmine: 1', 'mine: 1'],
    ['"evo_size": 9 \nmine: &x [1]', 'mine: &x [1]'],
    ['mine: >-\n  evo_size: no\nevo_size: 9', 'mine: >-\n  evo_size: no'],
  ] as const) {
    const { text } = mergeNote(fresh.replace('evo_size: 9', line), bigger)
    t.match(frontmatterOf(text), { evo_size: 10 }, line)
    t.match(text, kept)
    t.equal(mergeNote(text, bigger).text, text)
  }
  const braces = fresh.replace(/^---[\s\S]*?\n---\n/, '---\n{mine: 1, evo_size: 9}\n---\n')
  t.match(mergeNote(braces, bigger).text, '---\n{mine: 1, evo_size: 9}\n---\n')
  t.end()
})

t.test(
  'whatever a person writes outside of the parts is there afterwards, and the same again is the same bytes',
  (t) => {
    const words = fc.string({
      unit: fc.constantFrom(...'ab #-*>|[]`%:\n\r\t', '---\n', '%% evothesis:', '\u00e9', '\u{1f600}'),
    })
    fc.assert(
      fc.property(words, words, words, fc.boolean(), (before, between, after, isDos) => {
        const [head = '', one = '', two = ''] = fresh.split(/(?=%% evothesis:begin)/)
        const [note, notes] = two.split('## My notes') as [string, string]
        const edited = `${head}${before}\n${one}${between}\n${note}## My notes${after}${notes}`
        const text = isDos ? edited.replace(/\r?\n/g, '\r\n') : edited
        const merged = mergeNote(text, next).text
        const plain = (of: string): string => of.replace(/sha=\w+/g, '').replaceAll('\r', '')
        const expected = plain(text).replace('All is well.', 'All is better.')
        return plain(merged) === expected && mergeNote(merged, next).text === merged
      }),
      { numRuns: process.env.STORM ? 5_000 : 300, seed: seedOf(t) },
    )
    t.pass('always')
    t.end()
  },
)
