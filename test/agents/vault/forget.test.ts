import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { withVaultLock } from '../../../src/agents/lock.ts'
import { readVaultInput } from '../../../src/agents/read-vault-input.ts'
import { AppError } from '../../../src/errors.ts'
import { createKeyedHash } from '../../../src/keyed-hash.ts'
import { requestErasure } from '../../../src/privacy/requests.ts'
import { secret } from '../../../src/secret.ts'
import { createFolderDestination } from '../../../src/storage/folder-destination.ts'
import { engineOn } from '../lab.ts'
import { shareServer, storeDays, temporaryFolder, vaultLab } from './lab.ts'

await shareServer(t)

/** Every byte of a folder, names included, dot files, too. */
const everyByte = async (root: string): Promise<string> => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const parts = await Promise.all(
    entries.map(async (entry) => {
      const place = path.join(entry.parentPath, entry.name)
      return `${place}\n${entry.isFile() ? await readFile(place, 'latin1') : ''}`
    }),
  )
  return parts.join('\n')
}

const shop = async (t: Parameters<typeof vaultLab>[0], destination?: ReturnType<typeof createFolderDestination>) => {
  const lab = await vaultLab(t, destination ? { destination } : {})
  await storeDays(lab.db, { events: 8_000 })
  await lab.run()
  await lab.vault.write({ kind: 'nightly' })
  const { customers, segments } = await readVaultInput(lab.db, {
    ...{ timeZone: 'UTC', from: '2026-11-16', to: '2026-11-19', customersMax: 100 },
  })
  const person = customers.find(({ key }) => segments.some(({ customerKeys }) => customerKeys.includes(key)))
  if (!person) throw new Error('nobody')
  const forget = async (id: { user?: string; visitor?: string }, linked: readonly string[] = []) => {
    const { erasureId } = await requestErasure(lab.db, createKeyedHash(secret('x')), id, {
      by: 'a test',
      nowMs: Date.now(),
    })
    // What the other rooms do first.
    await lab.db.execute(
      `update erasures set spool_done_at = now(), resolved_at = now(), buffer_done_at = now(),
         subject = jsonb_set(subject, '{visitors}', (subject -> 'visitors') || to_jsonb($2::text[])) where erasure_id = $1::uuid`,
      [erasureId, linked],
    )
    return async () =>
      (
        await lab.db.query<{ done: boolean }>(
          'select agents_done_at is not null as done from erasures where erasure_id = $1::uuid',
          [erasureId],
        )
      )[0]?.done
  }
  const here = (at: string): string => path.join(lab.folder.root, at)
  const there = (at: string): string => path.join(lab.bucketRoot, 'vault/n1', at)
  return { ...lab, person, ids: [person.rawUserId, ...person.visitorIds, person.key], forget, here, there }
}

t.test('a user who is forgotten is in no byte of the vault, here and there', async (t) => {
  const lab = await shop(t)
  const { person, ids } = lab
  const note = `customer_profiles/${person.key}.md`
  // A person moved it, copied it, wrote into it; and wrote into the other copy, so that there are two.
  await mkdir(lab.here('vip'))
  await rename(lab.here(note), lab.here('vip/best customer.md'))
  await lab.vault.write({ kind: 'nightly' })
  await copyFile(lab.here('vip/best customer.md'), lab.here('vip/copy.md'))
  await copyFile(lab.there('vip/best customer.md'), lab.there('a copy.md'))
  const text = await readFile(lab.here('vip/best customer.md'), 'utf8')
  await writeFile(lab.here('vip/best customer.md'), `${text}\nCalled ${person.rawUserId}.\n`)
  await writeFile(lab.there('vip/best customer.md'), `${text}\nWrote to ${person.rawUserId}.\n`)
  await lab.vault.write({ kind: 'nightly' })
  for (const root of [lab.folder.root, lab.bucketRoot])
    for (const id of ids) t.match(await everyByte(root), id, 'they were there')

  const isDone = await lab.forget({ user: person.rawUserId }, person.visitorIds)
  await engineOn(lab.db, { forgetNotes: lab.vault.forget }).run({ kind: 'hourly' })
  t.equal(await isDone(), true)
  for (const root of [lab.folder.root, lab.bucketRoot]) {
    const bytes = await everyByte(root)
    for (const id of ids) t.notMatch(bytes, id)
    t.match(bytes, /customer_profiles\/c_/, 'others are')
  }
  const rows = await lab.db.query('select t::text from notes t')
  for (const id of ids) t.notMatch(JSON.stringify(rows), id)

  await lab.run('nightly')
  await lab.vault.write({ kind: 'nightly' })
  for (const root of [lab.folder.root, lab.bucketRoot])
    for (const id of ids) t.notMatch(await everyByte(root), id, 'nor do they come back')
})

t.test('a visitor who is forgotten is in no profile', async (t) => {
  const lab = await shop(t)
  const [visitor = ''] = lab.person.visitorIds
  t.match(await everyByte(lab.bucketRoot), visitor)
  const isDone = await lab.forget({ visitor })
  await engineOn(lab.db, { forgetNotes: lab.vault.forget }).run({ kind: 'hourly' })
  t.equal(await isDone(), true)
  for (const root of [lab.folder.root, lab.bucketRoot]) t.notMatch(await everyByte(root), visitor)
  await lab.run('nightly')
  await lab.vault.write({ kind: 'nightly' })
  for (const root of [lab.folder.root, lab.bucketRoot]) t.notMatch(await everyByte(root), visitor)
})

t.test('while the destination is away the erasure is not done, and is done afterwards', async (t) => {
  const folder = createFolderDestination('client', path.join(await temporaryFolder(t), 'bucket'))
  let isAway = false
  const away =
    <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (isAway) throw new AppError('destination_failed', 'the bucket is away')
      return act(...args)
    }
  const lab = await shop(t, { ...folder, remove: away(folder.remove), replace: away(folder.replace) })
  const bucket = folder.identity.replace('folder:', '')
  isAway = true
  const isDone = await lab.forget({ user: lab.person.rawUserId }, lab.person.visitorIds)
  await engineOn(lab.db, { forgetNotes: lab.vault.forget }).run({ kind: 'hourly' })
  t.equal(await isDone(), false)
  for (const id of lab.ids) t.notMatch(await everyByte(lab.folder.root), id, 'here they are gone at once')
  isAway = false
  await engineOn(lab.db, { forgetNotes: lab.vault.forget }).run({ kind: 'hourly' })
  t.equal(await isDone(), true)
  for (const id of lab.ids) t.notMatch(await everyByte(bucket), id)
})

t.test('while notes are being written nothing of an erasure is done, and all of it afterwards', async (t) => {
  const lab = await shop(t)
  const [visitor = ''] = lab.person.visitorIds
  const isDone = await lab.forget({ visitor })
  const engine = engineOn(lab.db, { forgetNotes: lab.vault.forget })
  await withVaultLock(lab.db, async () => {
    await engine.run({ kind: 'hourly' })
    t.equal(await isDone(), false)
    // What a writer does that had read the profile before.
    await lab.db.execute(`update notes set state = 'active' where customer = $1::text`, [lab.person.key])
  })
  await engine.run({ kind: 'hourly' })
  t.equal(await isDone(), true)
  for (const root of [lab.folder.root, lab.bucketRoot]) t.notMatch(await everyByte(root), visitor)
})
