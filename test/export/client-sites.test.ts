import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { clientSites } from '../../src/export/client-sites.ts'

t.test('what the rules leave the client of sites', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const sitesOf = async (rules: string, sites: readonly string[]) => {
    const file = path.join(folder, 'rules.yaml')
    await writeFile(file, rules)
    const isFor = clientSites(loadConfig({ DATA_DIR: folder, EXPORT_RULES: file }, '/nowhere/.env'))
    return sites.filter((site) => isFor?.(site))
  }
  const sites = ['a.example', 'b.example', 'x.b.example', '']
  t.equal(clientSites(loadConfig({ DATA_DIR: folder }, '/nowhere/.env')), undefined, 'no rules: all')
  t.same(await sitesOf('client:\n  exclude: {sites: [a.example]}\n', sites), ['b.example', 'x.b.example', ''])
  t.same(await sitesOf('client:\n  exclude: {sites: ["*.b.example"]}\n', sites), ['a.example', 'b.example', ''])
  t.same(await sitesOf('client:\n  include: {sites: [b.example, "*.b.example"]}\n', sites), [
    'b.example',
    'x.b.example',
  ])
  t.same(await sitesOf('client:\n  include: {sites: [a.example]}\n  exclude: {sites: [a.example]}\n', sites), [])
  t.same(await sitesOf('client:\n  exclude: {event_types: [scroll]}\n', sites), sites, 'event types are no sites')
  await t.rejects(sitesOf('client: [', sites), { code: 'setting_invalid' })
})
