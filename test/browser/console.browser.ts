import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { engineOn } from '../agents/lab.ts'
import { insertBatch } from '../support/batches.ts'
import { noChromium } from '../support/chromium.ts'
import { until } from '../support/until.ts'
import { openRoom, read, shoot, views } from './console-room.ts'
import { fillWorld, sites } from './console-world.ts'

const transferredMax = 150_000

if (noChromium) t.plan(0, noChromium)
else {
  t.setTimeout(300_000)
  const room = await openRoom(t)
  const { app, db, dataDir, address, sit, login, go, violations } = room
  const nowMs = Date.now()
  const tokens = await fillWorld(db, dataDir, nowMs)
  const inject = (url: string, method: 'GET' | 'POST' = 'GET') =>
    app.inject({ method, url, headers: { authorization: `Bearer ${tokens.operator}` } })
  await inject('/export/run?wait=true', 'POST')
  // A gap: it came five hours ago, and no run has taken it.
  const gapHour = new Date(Math.floor(nowMs / 3_600_000 - 5) * 3_600_000).toISOString()
  await insertBatch(
    db,
    Array.from({ length: 7 }, () => ({ created_at: gapHour.replace('Z', '000Z'), visitor_id: 'gap' })),
  )

  await t.test('the door: a wrong token is told, the first view is small, nothing comes from elsewhere', async (t) => {
    const { page, wrong, outside, close } = await sit()
    let transferred = 0
    page.on('requestfinished', async (request) => {
      const { responseBodySize, responseHeadersSize } = await request.sizes()
      transferred += responseBodySize + responseHeadersSize
    })
    await page.goto(`${address}/console/`)
    t.same(await violations(page), [], 'the login')
    await page.fill('[name=token]', 'evo_operator_wrong')
    await page.click('button.main')
    await page.getByText('This token does not count').waitFor()
    wrong.length = 0
    await page.fill('[name=token]', tokens.operator)
    await page.click('button.main')
    await page.locator('#main[data-ready=delivery]').waitFor()
    t.ok(transferred > 0 && transferred < transferredMax, `${transferred} bytes`)
    const [cookie] = await page.context().cookies()
    t.match(cookie, { httpOnly: true, sameSite: 'Strict', path: '/' })
    t.equal(await page.evaluate('document.cookie'), '', 'no script reads it')
    t.same([wrong, outside], [[], []])
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.locator('[name=token]').waitFor()
    await close()
  })

  await t.test('an operator sees the gap, runs an export and watches it verified', async (t) => {
    const { page, wrong, close } = await sit()
    await login(page, tokens.operator)
    const gap = page.locator('.calendar td[data-state=late]')
    t.ok((await gap.count()) >= 1)
    t.match(await read(page.locator('.calendar .told')), /gap: .* received and not verified/)
    await page
      .locator(`.calendar td[aria-label*="${gapHour.slice(11, 13)}:00 UTC"][data-state=late]`)
      .first()
      .focus()
    t.match(await read(page.locator('.calendar .told')), /received.*has not arrived/)
    await page.keyboard.press('ArrowDown')
    t.match(await page.evaluate('document.activeElement.getAttribute("data-state")'), /\w/)
    await page.getByRole('button', { name: 'Run now' }).click()
    await page.getByText('The run is over.').waitFor()
    await until('the gap is closed', async () => (await gap.count()) === 0)
    t.equal(await page.locator('.calendar td[data-state=stuck]').count(), 0)
    t.same(await page.locator('.destinations, .view table').first().locator('.state').allInnerTexts(), [
      'up to date',
      'up to date',
    ])
    const shown = await page.locator('.calendar td[data-state=verified]').count()
    const [counted] = await db.query<{ hours: number }>(
      `select count(distinct date_trunc('hour', quarter)) as hours from part_usage where quarter >= date_trunc('day', now()) - interval '27 days'`,
    )
    t.equal(shown, counted?.hours, 'hours are those of the database')
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.locator('.running .state').nth(1).waitFor()
    t.match(await read(page.locator('.running')), /proven client:[\s\S]*proven backup:/)
    t.same(wrong, [])
    await close()
  })

  await t.test('events are seen as they come', async (t) => {
    const { page, wrong, close } = await sit()
    await login(page, tokens.client)
    await go(page, 'traffic')
    const { totals } = (
      await inject(
        `/api/traffic?from=${new Date(Math.floor(nowMs / 3_600_000 - 24) * 3_600_000).toISOString()}&to=${new Date(Math.ceil((nowMs + 1) / 3_600_000) * 3_600_000).toISOString()}`,
      )
    ).json()
    t.equal(await read(page.locator('.figures b').first()), totals.events.toLocaleString('en-US'), 'as the API says')
    let sent = 0
    await until('an event is shown', async () => {
      await fetch(`${address}/collect`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          eventType: 'click',
          url: `https://live.example/<b>bold</b>?n=${sent++}`,
          visitorId: 'v-live',
          sessionId: 's',
        }),
      })
      return (await page.locator('.live li').count()) > 0
    })
    const first = page.locator('.live li').first()
    t.match(await read(first), /click[\s\S]*live\.example.*v-live/)
    await first.locator('summary').click()
    t.match(await read(first.locator('pre')), /"visitor_id": "v-live"/)
    t.notMatch(await read(first.locator('pre')), /user_agent|ip_address/)
    await page.getByRole('button', { name: 'Pause' }).click()
    t.same(wrong, [])
    await close()
  })

  await t.test('a client approves a domain, and is given no more than that', async (t) => {
    const { page, close } = await sit()
    await login(page, tokens.client)
    t.equal(await page.getByRole('button', { name: 'Run now' }).count(), 0)
    await go(page, 'usage')
    await page.getByRole('button', { name: 'Approve new-shop.com' }).click()
    await page.getByText('new-shop.com: approved').waitFor()
    const [row] = await db.query(`select state, decided_by from domains where domain = 'new-shop.com'`)
    t.match(row, { state: 'approved', decided_by: 'Clara' })
    const usage = (await inject('/billing/usage')).json()
    const events = await read(page.locator('.figures li:has-text("events of all domains") b'))
    t.equal(events, usage.events.toLocaleString('en-US'))
    await close()
  })

  await t.test('a webhook is added, tested and replayed', async (t) => {
    const received: string[] = []
    const receiver = createServer((request, answer) => {
      request.resume().on('end', () => {
        received.push(String(request.headers['webhook-id']))
        answer.writeHead(204).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    t.teardown(() => receiver.close())
    const { page, wrong, close } = await sit()
    await login(page, tokens.operator)
    await go(page, 'webhooks')
    await page.getByLabel('Name').fill('audit')
    await page.getByLabel('Address').fill(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`)
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    t.match(await read(page.locator('code.secret')), /^whsec_/)
    await page.getByRole('button', { name: 'Send a test to audit' }).click()
    await page.getByText('audit took it (204).').waitFor()
    t.equal(received.length, 1)
    await page.getByRole('button', { name: 'Send all of it again' }).click()
    await page.getByText(/will be sent again/).waitFor()
    await until('they arrive', () => received.length > 1)
    const settled = async () => {
      const [row] = await db.query(`select 1 from webhook_deliveries where state = 'pending'`)
      return row === undefined
    }
    await until('all have', settled)
    await page.getByRole('button', { name: 'Attempts at audit' }).click()
    await page.getByRole('heading', { name: 'Attempts at audit' }).waitFor()
    const row = page.locator('tr', { hasText: 'export.delivered' }).first()
    t.match(await read(row), /204/)
    const id = await read(row.locator('code'))
    const before = received.length
    await row.getByRole('button', { name: /^Send export\.delivered of .* again$/ }).click()
    await page.getByText('export.delivered will be sent to audit again.').waitFor()
    await until('it arrives', () => received.length > before)
    t.same(received.slice(before), [id], 'that one, under the same id')
    t.same(wrong, [])
    await close()
  })

  await t.test('usage is told in the time zone of the bill, with its thresholds', async (t) => {
    const { page, close } = await sit()
    // What the server of another client would answer: a plan that includes something, and days that are not those of UTC.
    await page.route('**/billing/usage*', async (route) => {
      const answer = await route.fetch()
      await route.fulfill({
        response: answer,
        json: {
          ...(await answer.json()),
          ...{
            month: '2026-10',
            timezone: 'Europe/Berlin',
            meter: 'pageviews',
            included: 1_000_000,
            billable: 850_000,
          },
          ...{ starts_at: '2026-09-30T22:00:00.000Z', ends_at: '2026-10-31T23:00:00.000Z', sites_unlisted: 7 },
          thresholds: [
            { percent: 80, units: 800_000, reached: true, told_at: '2026-10-20T10:00:00Z' },
            { percent: 100, units: 1_000_000, reached: false, told_at: null },
          ],
        },
      })
    })
    await login(page, tokens.viewer)
    await go(page, 'usage')
    const text = await read(page.locator('.usage section').first())
    t.match(text, /Oct 1(, \d+)? to Oct 31(, \d+)?, whole days in Europe\/Berlin\. 85% of the 1,000,000 pageviews/)
    t.match(text, /80 %\s+800,000\s+reached\s+told Oct 20, (2026, )?10:00 UTC/)
    t.match(text, /100 %\s+1,000,000\s+not reached/)
    t.match(text, /and 7 smaller sites/)
    await close()
  })

  await t.test('a verification is watched, also by who did not begin it', async (t) => {
    const { page, wrong, close } = await sit()
    const places = [
      { destination: 'client', done_bytes: 1_000_000, total_bytes: 4_000_000, finished: false },
      { destination: 'backup', done_bytes: 0, total_bytes: 0, finished: false },
    ]
    await page.route('**/export/status', async (route) => {
      const answer = await route.fetch()
      await route.fulfill({ response: answer, json: { ...(await answer.json()), verifying: places } })
    })
    await login(page, tokens.viewer)
    t.match(await read(page.locator('.running')), /client: 25% of 4\.0 MB looked at[\s\S]*backup: reading manifests/)
    t.equal(await page.getByRole('progressbar', { name: 'Verifying client' }).getAttribute('value'), '0.25')
    await page.unroute('**/export/status')
    await until('it is over', async () => (await page.locator('.running progress').count()) === 0)
    t.same(wrong, [])
    await close()
  })

  await t.test('a server that is away is told, and what was shown stays with its age', async (t) => {
    const { page, close } = await sit()
    await login(page, tokens.client)
    await go(page, 'privacy')
    await page.context().setOffline(true)
    t.match(await read(page.locator('.stale')), /^The server does not answer\..* What you see is of .* UTC\.$/)
    await page.getByLabel('Id', { exact: true }).fill('somebody')
    await page.getByRole('button', { name: 'Gather what is held' }).click()
    await page.locator('.toast.bad', { hasText: 'The server does not answer.' }).waitFor()
    t.same(await violations(page), [])
    await page.context().setOffline(false)
    await page.locator('.stale').waitFor({ state: 'detached' })
    await close()
  })

  await t.test('ways are drawn, zoomed and kept as SVG, PNG and PDF; steps are put in order by hand', async (t) => {
    const { page, wrong, close } = await sit()
    await login(page, tokens.viewer)
    await go(page, 'journeys')
    const from = await page.getByLabel('From', { exact: true }).inputValue()
    const to = await page.getByLabel('To', { exact: true }).inputValue()
    const range = `from=${from}T00:00:00Z&to=${new Date(Date.parse(to) + 86_400_000).toISOString()}`
    const found = (await inject(`/api/journeys?site=${sites[0]}&${range}`)).json() as {
      visits: number
      edges: { visits: number }[]
      nodes: unknown[]
    }
    const picture = page.locator('.drawing svg').first()
    const bands = await picture
      .locator('[data-value]')
      .evaluateAll((all) => all.map((one) => one.getAttribute('data-value')))
    const drawn = bands.map(Number)
    t.same(
      drawn.sort((a, b) => b - a),
      found.edges.map(({ visits }) => visits).sort((a, b) => b - a),
    )
    t.match(await read(page.locator('.journeys .note').first()), found.visits.toLocaleString('en-US'))

    const kept = async (name: string): Promise<Buffer> => {
      const download = page.waitForEvent('download')
      await page.getByRole('button', { name, exact: true }).first().click()
      return readFile(await (await download).path())
    }
    const svg = (await kept('SVG')).toString()
    const viewer = await room.browser.newPage()
    const opened = await viewer.evaluate(`(() => {
      const opened = new DOMParser().parseFromString(${JSON.stringify(svg)}, 'image/svg+xml')
      return ['parsererror', 'path[data-value]', 'script, img, foreignObject'].map((one) => opened.querySelectorAll(one).length)
    })()`)
    await viewer.close()
    t.same(opened, [0, found.edges.length, 0])
    t.match(svg, '/bell\ufffd\ufffd', 'what XML does not have is a box, and the file can be opened')
    const png = await kept('PNG')
    t.same([...png.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10])
    t.same([png.readUInt32BE(16), png.readUInt32BE(20)], [2200, 1120])
    const colours = await page.evaluate<number>(`(async () => {
      const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (one) => one.charCodeAt(0))
      const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }))
      const pen = new OffscreenCanvas(image.width, image.height).getContext('2d')
      pen.drawImage(image, 0, 0)
      return new Set(new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer)).size
    })()`)
    t.ok(colours > 10, `${colours} colours: it is not blank`)
    const pdf = await kept('PDF')
    t.match(pdf.toString('latin1'), /^%PDF-1[\s\S]*\/MediaBox \[0 0 1100\.?0* 560\.?0*\][\s\S]*%%EOF\s*$/)
    t.ok(pdf.length > 5_000)

    await page.getByRole('button', { name: 'Zoom in' }).first().click()
    t.match(await picture.locator('g').first().getAttribute('transform'), /scale\(1\.3\)/)
    await picture.locator('[data-node]').first().focus()
    t.ok((await picture.locator('path[opacity="0.25"]').count()) > 0, 'the ways of a page stand out')
    await page.getByRole('button', { name: 'Pages' }).click()
    t.ok((await page.locator('.drawing circle').count()) > 5)

    const names = () => page.locator('.steps .name').allInnerTexts()
    const standard = ['pageview', 'product_view', 'add_to_cart', 'begin_checkout', 'purchase']
    t.same(await names(), standard)
    const counts = async (steps: string[]) => {
      const query = steps.map((step) => `step=event:${step}`).join('&')
      return (
        (await inject(`/api/funnel?site=${sites[0]}&${range}&${query}`)).json() as { steps: { visits: number }[] }
      ).steps.map(({ visits }) => visits)
    }
    const shown = async () =>
      (
        await page
          .locator('.drawing')
          .last()
          .locator('g[role=img]')
          .evaluateAll((nodes) => nodes.map((one) => one.getAttribute('aria-label')))
      ).map((text) => Number(/: ([\d,]+) visits/.exec(text ?? '')?.[1]?.replaceAll(',', '')))
    t.same(await shown(), await counts(standard))
    await page.getByRole('button', { name: 'Move purchase up' }).press('Alt+ArrowUp')
    const byKeyboard = ['pageview', 'product_view', 'add_to_cart', 'purchase', 'begin_checkout']
    t.same(await names(), byKeyboard)
    await until(
      'it is counted anew',
      async () => JSON.stringify(await shown()) === JSON.stringify(await counts(byKeyboard)),
    )
    await page.locator('.steps li').nth(4).dragTo(page.locator('.steps li').nth(1))
    const byHand = ['pageview', 'begin_checkout', 'product_view', 'add_to_cart', 'purchase']
    t.same(await names(), byHand)
    await until(
      'it is counted anew',
      async () => JSON.stringify(await shown()) === JSON.stringify(await counts(byHand)),
    )

    const cohorts = (await inject(`/api/cohorts?site=${sites[0]}`)).json().rows[0].rows as {
      channel: string
      size: { value: number }
    }[]
    const sizes = await page.locator('.cohorts tbody td.n').allInnerTexts()
    t.same(
      sizes,
      cohorts.filter(({ channel }) => channel === 'all').map(({ size }) => size.value.toLocaleString('en-US')),
    )
    t.same(wrong, [])
    await close()
  })

  await t.test('an erasure is filed and followed to its end', async (t) => {
    const { page, wrong, close } = await sit()
    await login(page, tokens.client)
    await go(page, 'privacy')
    await page.getByLabel('Id', { exact: true }).fill('gap')
    await page.getByRole('button', { name: 'Erase …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Erase', exact: true }).click()
    await page.getByText('The erasure is filed').waitFor()
    // An export, a run of the agents and the spool's look, each in its turn.
    for (let rounds = 0; rounds < 30; rounds++) {
      await inject('/export/run?wait=true', 'POST')
      await engineOn(db)
        .run({ kind: 'hourly' })
        .catch(() => undefined)
      const [open] = await db.query('select 1 from erasures where finished_at is null')
      if (!open) break
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    await page.locator('.state.good', { hasText: 'finished' }).waitFor()
    const [row] = await db.query<{ events: number }>('select sum(events)::bigint as events from erasure_parts')
    t.equal(row?.events, 7)
    t.match(await read(page.locator('.privacy section:has(h2:text("Erasures"))')), /Clara[\s\S]*finished[\s\S]*7/)
    t.match(await read(page.locator('.privacy section:has(h2:text("Audit trail"))')), /privacy\.forget/)
    t.same(wrong, [])
    await close()
  })

  await t.test('notes are read, with their diagrams', async (t) => {
    const { page, wrong, outside, close } = await sit()
    await login(page, tokens.viewer)
    await go(page, 'notes')
    await page.getByRole('link', { name: '2026-11-20 harbor-tea.example' }).click()
    await page.getByRole('heading', { name: 'Friday, 20 November' }).waitFor()
    t.equal(await page.locator('.paper figure').count(), 5)
    t.equal(await page.locator('.paper figure svg').count(), 4)
    t.equal(
      await page.locator('.paper img').evaluate((node) => (node as { naturalWidth?: number }).naturalWidth),
      200,
      'pictures of the vault are seen',
    )
    t.match(await read(page.locator('.paper')), /<img src=x onerror=/, 'HTML is a text')
    t.same(await page.locator('.paper a').evaluateAll((links) => links.map((one) => one.getAttribute('href'))), [
      '#notes',
      '#notes',
      'https://example.com',
    ])
    await page.getByRole('link', { name: 'the day before' }).click()
    await page.getByRole('heading', { name: 'The day before' }).waitFor()
    t.same([wrong, outside], [[], []])
    await close()
  })

  await t.test('a viewer is offered nothing that changes something', async (t) => {
    const { page, close } = await sit()
    await login(page, tokens.viewer)
    const allowed =
      /^(Menu|Log out|More|All sites|Pause|Go on|Attempts|\+|−|Reset|SVG|PNG|PDF|Paths|Pages|↑|↓|×|Add|Standard steps|Filter|daily_reports.*|[\w.<>"'=/ ()-]+\.(example|com))$/
    for (const view of views) {
      await go(page, view)
      const offered = await page.locator('button:visible').allInnerTexts()
      t.same(
        offered.filter((one) => !allowed.test(one)),
        [],
        view,
      )
    }
    await close()
  })

  for (const [name, width, colorScheme] of [
    ['phone', 390, 'light'],
    ['desk', 1280, 'dark'],
  ] as const)
    await t.test(
      `every view at a ${name}, ${colorScheme}: accessible, within its width, and no event's text is run`,
      async (t) => {
        const { page, wrong, outside, close } = await sit({ width, height: name === 'phone' ? 844 : 900, colorScheme })
        await login(page, tokens.operator)
        for (const view of views) {
          await go(page, view)
          if (view === 'notes') {
            await page.getByRole('link', { name: '2026-11-20 harbor-tea.example' }).click()
            await page.getByRole('heading', { name: 'Friday, 20 November' }).waitFor()
          }
          t.same(await violations(page), [], `${view} at a ${name}`)
          const over = await page.evaluate(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          )
          t.equal(over, 0, `${view} does not scroll sideways at a ${name}`)
          t.equal(await page.evaluate('window.hacked'), undefined)
          await shoot(page, `${view}-${name}`)
        }
        t.same([wrong, outside], [[], []])
        await close()
      },
    )

  await t.test('the attacks are really there', async (t) => {
    const { page, close } = await sit()
    await login(page, tokens.operator)
    await go(page, 'traffic')
    t.match(await read(page.locator('#main')), /<script>window\.hacked=1/)
    await go(page, 'usage')
    t.match(await read(page.locator('#main')), /onerror="window\.hacked=1"/)
    t.equal(await page.evaluate('window.hacked'), undefined)
    await close()
  })
}
