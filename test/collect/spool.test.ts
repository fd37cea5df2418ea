import { spawnSync } from 'node:child_process'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { Group } from '../../src/collect/group.ts'
import { createSpool } from '../../src/collect/spool.ts'
import { beat } from '../../src/collect/spool-folders.ts'
import { decodeRecords, encodeRecord } from '../../src/collect/spool-record.ts'
import { silentLog } from '../../src/log.ts'

const group = (n: number, pad = ''): Group => ({
  commitKey: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  submissions: [
    {
      ...{ createdMs: 1_800_000_000_000 + n, bytes: 3 },
      units: [
        {
          receipt: { key: 'k', digest: 'd', expiresMs: 5 },
          rows: [{ index: 0, siteId: 's', pageview: true, bytes: 2, line: `é\\t😀${pad}` }],
          rejects: [],
        },
      ],
    },
  ],
})
const keysOf = (groups: Group[]) => groups.map((one) => Number(one.commitKey.slice(-12)))

const temporary = async (test: { teardown(work: () => unknown): void }) => {
  const root = await mkdtemp(path.join(tmpdir(), 'evothesis-spool-'))
  test.teardown(() => rm(root, { recursive: true, force: true }))
  return root
}
const opened: ReturnType<typeof createSpool>[] = []
t.teardown(() => Promise.all(opened.map((spool) => spool.close())))
const open = (root: string, bytesMax = 10_000_000) => {
  const spool = createSpool({ root, bytesMax, clock: systemClock, log: silentLog })
  opened.push(spool)
  return spool
}
const replayed = async (spool: ReturnType<typeof open>) => {
  const groups: Group[] = []
  await spool.replay(async (one) => {
    groups.push(one)
    return 'done'
  })
  return keysOf(groups)
}
const spoolFiles = async (root: string) =>
  (await readdir(root, { recursive: true })).filter((file) => /\.spool/.test(file))

t.test('a record comes back as it went in; a torn tail is cut at every byte; damage costs one record', async (t) => {
  const records = [1, 2, 3].map((n) => encodeRecord(group(n)))
  const segment = Buffer.concat(records)
  t.same(decodeRecords(segment), { groups: [group(1), group(2), group(3)], tornBytes: 0, damagedBytes: 0 })
  const [first, second] = [records[0]?.length ?? 0, records[1]?.length ?? 0]
  for (let cut = first; cut < first + second; cut++) {
    const { groups, tornBytes, damagedBytes } = decodeRecords(segment.subarray(0, cut))
    if (keysOf(groups).join() !== '1' || tornBytes !== cut - first || damagedBytes !== 0) t.fail(`cut at ${cut}`)
  }
  for (let at = first; at < first + second; at++) {
    const damaged = Buffer.from(segment)
    damaged[at] = (damaged[at] ?? 0) ^ 0x55
    const keys = keysOf(decodeRecords(damaged).groups).join()
    // A damaged length may reach beyond the end, but never hides the records behind it.
    if (keys !== '1,3') t.fail(`damage at ${at} left ${keys}`)
  }
  t.same(decodeRecords(Buffer.alloc(100)), { groups: [], tornBytes: 0, damagedBytes: 100 })
})

t.test('records are replayed in order, then their disk space is given back', async (t) => {
  const root = await temporary(t)
  const spool = open(root)
  for (const n of [1, 2, 3]) await spool.append(group(n))
  t.ok(spool.state().bytes > 0)
  t.equal(spool.state().oldestMs, 1_800_000_000_001)
  t.same(await replayed(spool), [1, 2, 3])
  t.same(spool.state(), { bytes: 0, full: false, oldestMs: undefined })
  t.same(await spoolFiles(root), [])
  await spool.append(group(4))
  t.same(await replayed(spool), [4], 'and it goes on')
})

t.test('a replay that fails keeps everything; one record that cannot be stored holds nobody up', async (t) => {
  const root = await temporary(t)
  const spool = open(root)
  for (const n of [1, 2, 3]) await spool.append(group(n))
  await t.rejects(
    spool.replay(async () => {
      throw new Error('away')
    }),
  )
  const seen: number[] = []
  await spool.replay(async (one) => {
    seen.push(...keysOf([one]))
    return keysOf([one])[0] === 2 ? 'keep' : 'done'
  })
  t.same(seen, [1, 2, 3])
  t.ok((await spoolFiles(root)).length > 0)
  t.same(await replayed(spool), [1, 2, 3])
})

t.test('a full spool refuses, and takes again when there is room', async (t) => {
  const spool = open(await temporary(t), 2_000)
  await spool.append(group(1))
  await t.rejects(spool.append(group(2, 'x'.repeat(2_000))), { code: 'buffer_full' })
  t.equal(spool.state().full, true)
  t.same(await replayed(spool), [1])
  t.equal(spool.state().full, false)
  await spool.append(group(3))
})

t.test('a full disk refuses, and what was acknowledged before is intact', async (t) => {
  const root = await temporary(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', root]).status !== 0)
    return void t.comment('skipped: tmpfs cannot be mounted here')
  t.teardown(() => spawnSync('umount', [root]))
  const spool = open(root)
  const acknowledged: number[] = []
  let refused = 0
  for (let n = 1; n <= 20; n++)
    await spool.append(group(n, 'x'.repeat(30_000))).then(
      () => acknowledged.push(n),
      () => refused++,
    )
  t.ok(acknowledged.length >= 3 && refused > 0, `${acknowledged.length} taken, ${refused} refused`)
  const seen = await replayed(spool)
  t.same(
    acknowledged.filter((n) => !seen.includes(n)),
    [],
  )
  await spool.append(group(99))
  await spool.close()
})

t.test('the spool of a process that is gone is taken over at once, with a torn tail', async (t) => {
  const root = await temporary(t)
  const left = open(root)
  await left.append(group(1))
  await left.close()
  const [folder = ''] = await readdir(root)
  const dead = folder.replace(/\.\d+\./, '.999999999.')
  await rename(path.join(root, folder), path.join(root, dead))
  const [file = ''] = await spoolFiles(root)
  await appendFile(path.join(root, file), encodeRecord(group(2)).subarray(0, 30))
  const heir = open(root)
  await heir.tend()
  t.ok(heir.state().bytes > 0)
  t.same(await replayed(heir), [1])
  t.same(await spoolFiles(root), [])
})

t.test('a spool that is inherited again and again keeps short paths, and every record', async (t) => {
  const root = await temporary(t)
  for (let life = 1; life <= 100; life++) {
    const spool = open(root)
    await spool.tend()
    await spool.append(group(life))
    await spool.close()
    for (const folder of await readdir(root))
      await rename(path.join(root, folder), path.join(root, folder.replace(/\.\d+\./, '.999999999.')))
  }
  const heir = open(root)
  await heir.tend()
  t.same(
    await replayed(heir),
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
  t.equal((await readdir(root)).length, 1, 'the folders of the dead are gone')
})

t.test('a living neighbour keeps its spool, one whose heartbeat stopped loses it', async (t) => {
  const root = await temporary(t)
  const neighbour = path.join(root, 'other-host.7.abcdef01')
  await mkdir(neighbour)
  await writeFile(path.join(neighbour, '000001800000000-000000-x.spool'), encodeRecord(group(5)))
  await beat(neighbour, Date.now())
  const spool = open(root)
  await spool.tend()
  t.equal(spool.state().bytes, 0)
  await beat(neighbour, Date.now() - 60_000)
  await spool.tend()
  t.same(await replayed(spool), [5])
})

t.test('a writer whose folder was taken away writes its record again, where it will be found', async (t) => {
  const root = await temporary(t)
  const paused = open(root)
  await paused.append(group(1))
  const [folder = ''] = await readdir(root)
  await rename(path.join(root, folder), path.join(root, 'elsewhere'))
  await paused.append(group(2))
  t.same(await replayed(paused), [2])
})

t.test('a damaged segment is kept aside after its sound records were stored', async (t) => {
  const root = await temporary(t)
  const spool = open(root)
  for (const n of [1, 2, 3]) await spool.append(group(n))
  const [file = ''] = await spoolFiles(root)
  const content = await readFile(path.join(root, file))
  const at = content.length >> 1
  content[at] = (content[at] ?? 0) ^ 1
  await writeFile(path.join(root, file), content)
  t.same(await replayed(spool), [1, 3])
  t.same(await spoolFiles(root), [`${file}.damaged`])
  t.equal(spool.state().bytes, 0)
})
