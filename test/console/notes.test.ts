import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { createTestConsole } from './console.ts'

t.test('notes are listed and read, and nothing beside the vault is', async (t) => {
  const { app, dataDir, token, login, get } = await createTestConsole(t)
  const cookie = await login((await token('viewer')).token)
  t.same(await get('/api/notes', cookie), { folders: [], rows: [], next: null }, 'before there is a vault')
  const vault = path.join(dataDir, 'vault')
  for (const folder of ['daily_reports', 'insights', '.obsidian'])
    await mkdir(path.join(vault, folder), { recursive: true })
  await writeFile(path.join(vault, 'daily_reports/2026-11-20 shop.md'), '---\ntitle: A day\n---\n# A day\n')
  await writeFile(path.join(vault, 'daily_reports/2026-11-21 shop.md'), '# Another\n')
  await writeFile(path.join(vault, 'insights/i.md'), '# Insight\n')
  await writeFile(path.join(vault, '.obsidian/plugin.md'), "the editor's")
  await writeFile(path.join(vault, 'notes.base'), 'no note')
  await writeFile(path.join(dataDir, 'secret.md'), 'secret')
  await symlink(path.join(dataDir, 'secret.md'), path.join(vault, 'link.md'))
  await symlink(dataDir, path.join(vault, 'outside'))

  type Page = {
    folders: { folder: string; notes: number }[]
    rows: { path: string; bytes: number }[]
    next: string | null
  }
  const all = await get<Page>('/api/notes', cookie)
  t.same(all.folders, [
    { folder: 'daily_reports', notes: 2 },
    { folder: 'insights', notes: 1 },
  ])
  t.same(
    all.rows.map((row) => row.path),
    ['daily_reports/2026-11-20 shop.md', 'daily_reports/2026-11-21 shop.md', 'insights/i.md'],
  )
  const first = await get<Page>('/api/notes?limit=2', cookie)
  t.same(
    (await get<Page>(`/api/notes?limit=2&after=${first.next}`, cookie)).rows.map((row) => row.path),
    ['insights/i.md'],
  )
  await writeFile(path.join(vault, 'Index.md'), '# All')
  const inNone = await get<Page>('/api/notes?folder=.', cookie)
  t.same(
    inNone.rows.map((row) => row.path),
    ['Index.md'],
    'and those in no folder',
  )
  const newest = await get<Page>('/api/notes?reverse=true&limit=1&folder=daily_reports', cookie)
  t.same(
    newest.rows.map((row) => row.path),
    ['daily_reports/2026-11-21 shop.md'],
    'the newest day first',
  )
  const before = await get<Page>(`/api/notes?reverse=true&limit=1&folder=daily_reports&after=${newest.next}`, cookie)
  t.same([before.rows[0]?.path, before.next], ['daily_reports/2026-11-20 shop.md', null])
  t.equal((await get<Page>('/api/notes?folder=insights', cookie)).rows.length, 1)
  t.match(await get('/api/notes/daily_reports/2026-11-20%20shop.md', cookie), {
    path: 'daily_reports/2026-11-20 shop.md',
    markdown: '---\ntitle: A day\n---\n# A day\n',
  })
  for (const attack of [
    ...['../secret.md', '..%2fsecret.md', '%2e%2e/secret.md', '..%5csecret.md', 'daily_reports/../../secret.md'],
    ...[
      '/etc/passwd',
      '%2fetc%2fpasswd',
      'link.md',
      'outside/secret.md',
      '.obsidian/plugin.md',
      'notes.base',
      'insights',
    ],
    ...['insights/i.md%00.md', 'insights/i.md%00', '....//secret.md', '%252e%252e/secret.md', 'nobody.md'],
    'x'.repeat(5000),
  ]) {
    const answer = await app.inject({ url: `/api/notes/${attack}`, headers: { cookie } })
    t.ok(
      answer.statusCode === 404 || answer.statusCode === 400 || answer.statusCode === 414,
      `${attack.slice(0, 40)}: ${answer.statusCode}`,
    )
    t.notMatch(answer.body, /"markdown"|root:/)
  }

  await writeFile(path.join(vault, 'insights/i flow.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  await writeFile(path.join(dataDir, 'secret.svg'), 'secret')
  await symlink(path.join(dataDir, 'secret.svg'), path.join(vault, 'link.svg'))
  const picture = await app.inject({ url: '/api/pictures/insights/i%20flow.svg', headers: { cookie } })
  t.equal(picture.statusCode, 200)
  t.match(picture.headers, { 'content-type': 'image/svg+xml', 'content-security-policy': /sandbox/ })
  for (const attack of [
    '../secret.svg',
    '..%2fsecret.svg',
    'link.svg',
    'insights/i.md',
    'outside/secret.svg',
    'nobody.svg',
  ])
    t.equal((await app.inject({ url: `/api/pictures/${attack}`, headers: { cookie } })).statusCode, 404, attack)
  t.equal((await app.inject({ url: '/api/pictures/insights/i%20flow.svg' })).statusCode, 401)
})
