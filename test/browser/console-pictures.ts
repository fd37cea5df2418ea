import path from 'node:path'
import { parseArgs } from 'node:util'
import type { Test } from 'tap'
import { insertBatch } from '../support/batches.ts'
import { openRoom, shoot } from './console-room.ts'
import { fillWorld } from './console-world.ts'

/**
 * Takes the pictures of the console that are in its documentation:
 *   node --import=tsx test/browser/console-pictures.ts [--out docs/console]
 */
const { values } = parseArgs({
  options: { out: { type: 'string', default: path.join(import.meta.dirname, '../../docs/console') } },
})
process.env.SCREENSHOTS = path.resolve(values.out)

const closers: (() => unknown)[] = []
const room = await openRoom({ teardown: (fn: () => unknown) => void closers.unshift(fn) } as unknown as Test)
const nowMs = Date.now()
const tokens = await fillWorld(room.db, room.dataDir, nowMs, { isAttacked: false })
const bearer = { authorization: `Bearer ${tokens.operator}` }
await room.app.inject({ method: 'POST', url: '/export/run?wait=true', headers: bearer })
const hourAgo = (hours: number): string =>
  new Date(Math.floor(nowMs / 3_600_000 - hours) * 3_600_000).toISOString().replace('Z', '000Z')
for (const hours of [5, 6, 7])
  await insertBatch(
    room.db,
    Array.from({ length: 40 }, () => ({ created_at: hourAgo(hours), site_id: 'harbor-tea.example' })),
  )
await room.app.inject({
  method: 'POST',
  url: '/webhooks',
  headers: bearer,
  payload: { name: 'agency', url: 'https://hooks.example.com/evothesis' },
})
await room.app.inject({ method: 'POST', url: '/privacy/forget', headers: bearer, payload: { visitor: 'somebody' } })

const shots = [
  ...(['delivery', 'traffic', 'usage', 'journeys', 'notes'] as const).map((view) => ({
    view,
    name: 'desktop',
    width: 1180,
    height: 760,
  })),
  ...(['delivery', 'traffic', 'journeys', 'privacy', 'webhooks'] as const).map((view) => ({
    view,
    name: 'phone',
    width: 380,
    height: 760,
  })),
]
for (const [n, { view, name, width, height }] of shots.entries()) {
  const { page, close } = await room.sit({ width, height, colorScheme: n % 2 === 0 ? 'light' : 'dark' })
  await room.login(page, tokens.operator)
  await room.go(page, view)
  if (view === 'notes') await page.getByRole('link', { name: '2026-11-20 harbor-tea.example' }).click()
  if (view === 'notes') await page.getByRole('heading', { name: 'Friday, 20 November' }).waitFor()
  await shoot(page, `${view}-${name}`)
  await close()
}
for (const close of closers) await close()
process.exit(0)
