import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createToken } from '../../src/access/tokens.ts'
import type { Db } from '../../src/db.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { insertTraffic } from '../../src/demo/insert.ts'
import { roles } from '../../src/roles.ts'
import { engineOn } from '../agents/lab.ts'
import { insertBatch, type TestEvent } from '../support/batches.ts'

/** What a page would run if it took a text for HTML. */
export const attack = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'"`
export const attackedPath = '/<img src=x onerror=window.hacked=1>'
/** Characters that no XML file may hold: a drawing with them could not be opened. */
export const unprintablePath = '/bell\u0007\uffff'
export const sites = ['harbor-tea.example', 'maple-outfitters.example']

const people = { viewer: 'Vera', client: 'Clara', operator: 'Olga' }

/** Four weeks of a shop up to now, read by the agents; visits that carry an attack in every field; a note. */
export const fillWorld = async (
  db: Db,
  dataDir: string,
  nowMs: number,
  { isAttacked = true } = {},
): Promise<Record<'viewer' | 'client' | 'operator', string>> => {
  const traffic = generateTraffic({
    events: 12_000,
    sites: 2,
    days: 28,
    untilMs: nowMs - 3_600_000,
    seed: 9_001,
    anomaly: {},
  })
  await insertTraffic({ db, requests: traffic.requests })
  const at = nowMs - 30 * 60_000
  const event = (n: number, afterMs: number, rest: TestEvent): TestEvent => {
    const created_at = new Date(at + n + afterMs).toISOString()
    const path = rest.path ?? '/cart'
    const raw_event_data = JSON.stringify({ eventType: 'pageview', title: attack, eventData: { text: attack } })
    return {
      site_id: sites[0] ?? '',
      session_id: `s${n}`,
      visitor_id: `${attack}${n}`,
      created_at,
      raw_event_data,
      ...rest,
      path,
      url: `https://x.example${path}`,
    }
  }
  for (let n = 0; isAttacked && n < 40; n++)
    await insertBatch(db, [
      event(n, 0, { path: attackedPath }),
      event(n, 1_000, { event_type: attack }),
      event(n, 2_000, { path: unprintablePath }),
      event(n, 3_000, { path: attackedPath, site_id: `${attack}.example` }),
    ])
  await engineOn(db).run({ kind: 'nightly' })
  await db.execute(
    `insert into domains (domain, state, first_seen, last_seen, events, pageviews, visitors, addresses, suspicions)
     values ('new-shop.com', 'pending', now() - interval '2 days', now(), 420, 130, 21, 12, '{}'),
            ('copied-shop.com', 'pending', now() - interval '1 day', now(), 90, 40, 2, 1, $1::text[]),
            ('harbor-tea.example', 'approved', now() - interval '28 days', now(), 8000, 3000, 900, 300, '{}')
     on conflict (domain) do nothing`,
    [['All of it came from one address.', ...(isAttacked ? [attack] : [])]],
  )
  await db.execute(
    `insert into rejects (created_at, site_id, code, message, payload) values (now(), $1::text, 'event_too_large', $1::text, 'x')`,
    [isAttacked ? attack : 'harbor-tea.example'],
  )
  await writeNotes(dataDir, isAttacked)
  const tokens: Partial<Record<'viewer' | 'client' | 'operator', string>> = {}
  for (const role of roles)
    tokens[role] = (
      await createToken(db, { name: people[role], role, expiresMs: nowMs + 86_400_000, nowMs, by: 'a test' })
    ).token
  return tokens as Record<'viewer' | 'client' | 'operator', string>
}

const writeNotes = async (dataDir: string, isAttacked: boolean): Promise<void> => {
  const folder = path.join(dataDir, 'vault/daily_reports')
  await mkdir(folder, { recursive: true })
  const calm = note.replaceAll(attack, '').replaceAll(attackedPath.slice(1), 'Cart<br/>61')
  await writeFile(path.join(folder, '2026-11-20 harbor-tea.example.md'), isAttacked ? note : calm)
  await writeFile(path.join(folder, '2026-11-20 flow.svg'), picture)
  await writeFile(
    path.join(folder, '2026-11-19 harbor-tea.example.md'),
    '# The day before\n\n[[2026-11-20 harbor-tea.example]]\n',
  )
}

const fence = '```'
/** A picture that tries what a page would allow. */
const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 40" width="200" height="40" onload="parent.hacked=1"><script>parent.hacked=1</script><rect width="200" height="40" fill="#0b6e5f"/></svg>`
const note = `---
title: "Harbor Tea, 20 November"
site: harbor-tea.example
---
# Friday, 20 November

> [!warning] Fewer orders than expected
> The step **Checkout** lost more people than in the weeks before.

| Figure | Today | A week ago |
| --- | ---: | ---: |
| Sessions | 412 | 398 |
| Orders | 11 | 17 |

${attack}

See [[2026-11-19 harbor-tea.example|the day before]], [[nowhere]], [the web](https://example.com) and [a trap](javascript:window.hacked=1). ![a picture](https://evil.example/pixel.png)

![[daily_reports/2026-11-20 flow.svg]]

${fence}mermaid
flowchart TD
  s0["Visit<br/>412"]
  s1["Product<br/>231"]
  s0 -->|"56 %"| s1
  s0 -.-> x0(["181 left (44 %)"])
  s2["<img src=x onerror=window.hacked=1>"]
  s1 -->|"8 %"| s2
${fence}

${fence}mermaid
sankey-beta

"1 /","2 /shop",120
"1 /","2 left",60
"2 /shop","3 /cart",40
${fence}

${fence}mermaid
pie showData title Devices
  "mobile" : 240
  "desktop" : 172
${fence}

${fence}mermaid
xychart-beta
  title "Sessions by hour"
  x-axis ["00", "06", "12", "18"]
  y-axis "sessions" 0 --> 50
  line [4, 12, 40, 31]
${fence}

${fence}mermaid
timeline
  title Visits
  2026-11-18 : search 3 pages : email 2 pages
${fence}
`
