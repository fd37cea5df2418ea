import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { buildSite } from '../../site/build.ts'
import { costs, readCount, type SitePlan } from '../../site/cost.ts'
import { microsOfUsd } from '../../src/billing/money.ts'
import { parsePlans } from '../../src/billing/plans.ts'
import { priceLines, totalOf } from '../../src/billing/price.ts'
import { tempFolder } from '../support/exporter.ts'
import { createRandom, seedOf } from '../support/random.ts'

const root = path.join(import.meta.dirname, '../..')
const plansFile = path.join(root, 'appliance/defaults/plans.yaml')
const linksOf = (html: string): string[] =>
  [...html.matchAll(/(?:href|src|action)="([^"]*)"/g)].map(([, link]) => link ?? '')

t.test(
  'five pages, whole in themselves: every link leads somewhere, and nothing is loaded from elsewhere',
  async (t) => {
    const out = path.join(await tempFolder(t), 'site')
    const files = await buildSite({ out })
    const pages = files.filter((file) => file.endsWith('.html'))
    t.equal(pages.length, 5)
    for (const page of pages) {
      const html = readFileSync(path.join(out, page), 'utf8')
      for (const link of linksOf(html)) {
        t.notMatch(link, /^(https?:)?\/\//, `${page}: ${link}`)
        const [file = '', anchor] = link.split('#')
        t.ok(file === '' || existsSync(path.join(out, file)), `${page}: ${link} is there`)
        if (anchor) t.match(html, `id="${anchor}"`)
      }
      t.match(html, /<html lang="en">/)
      t.match(html, /<title>[^<]+ · Evothesis<\/title>/)
      t.match(html, /<meta name="description" content="[^"]{30,}">/)
      t.equal(html.match(/<h1>/g)?.length, 1, `${page} has one heading`)
      t.equal(html.match(/aria-current="page"/g)?.length, 2, `${page} says where one is`)
      t.notMatch(html, /\{\{|<script>|style="|onclick=/)
    }
  },
)

t.test('the pages claim no figure that is not in the plans or in docs/performance.md', async (t) => {
  const out = path.join(await tempFolder(t), 'site')
  await buildSite({ out })
  const known = `${readFileSync(path.join(root, 'docs/performance.md'), 'utf8')}\n${readFileSync(plansFile, 'utf8')}`
  const has = (figure: string) => new RegExp(`(?<![\\d,.])${figure.replaceAll('.', '\\.')}(?![,.]?\\d)`).test(known)
  for (const page of ['index', 'how-it-works', 'pricing', 'privacy', 'contact']) {
    const html = readFileSync(path.join(out, `${page}.html`), 'utf8')
    const text = html.slice(html.indexOf('<main'), html.indexOf('</main>')).replaceAll(/<[^>]+>/g, ' ')
    for (const [figure] of text.matchAll(/\d[\d,.]*\d|\d{2,}/g)) {
      const plain = figure.replaceAll(',', '').replace(/\.00$/, '')
      // 200 is the answer's status.
      t.ok(plain === '200' || has(figure) || has(plain), `${page}: ${figure}`)
    }
  }
})

t.test('the calculator agrees with the bill', (t) => {
  const random = createRandom(seedOf(t))
  const { plans } = parsePlans(readFileSync(plansFile, 'utf8'), plansFile)
  for (const blocks of ['pro_rata', 'started'] as const) {
    const sitePlans: SitePlan[] = Object.entries(plans).map(([name, plan]) => ({
      ...{ name, meter: plan.meter, included: plan.included, per: plan.overage.per, isPerBlock: blocks === 'started' },
      ...{ monthlyMicros: Number(microsOfUsd(plan.monthly_usd)), overMicros: Number(microsOfUsd(plan.overage.usd)) },
    }))
    for (let n = 0; n < 200; n++) {
      const pageviews = Math.floor(random() * 10 ** (1 + 8 * random()))
      const usage = { pageviews, events: pageviews * 3 + 1 }
      for (const { name, micros } of costs(sitePlans, usage)) {
        const plan = plans[name]
        if (!plan) throw new Error(name)
        const terms = {
          ...{ plan: name, terms: { ...plan, overage: { ...plan.overage, blocks } }, addons: [] },
          ...{ bill_unapproved: false, grace_hours: 72, wait_hours: 72 },
        }
        const billed = totalOf(priceLines(terms, { ...usage, domains: 2 }))
        if (BigInt(micros) !== billed) t.fail(`${name} ${blocks} ${pageviews}: ${micros} is not ${billed}`)
      }
    }
  }
  t.same(['2,000,000', '2 million', '1.5m', '10k', ' 7 ', 'many', '', '1e9', '-5'].map(readCount), [
    2e6,
    2e6,
    1.5e6,
    1e4,
    7,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
  t.end()
})

t.test('the form posts where it was told to, and says so when it was told nothing', async (t) => {
  const out = path.join(await tempFolder(t), 'site')
  await buildSite({ out })
  t.match(readFileSync(path.join(out, 'contact.html'), 'utf8'), /built without an address/)
  const files = await buildSite({
    out,
    contact: 'https://forms.example/evothesis',
    collector: 'https://events.example',
  })
  t.ok(files.includes('tracking.js'), 'our own pixel')
  const html = readFileSync(path.join(out, 'contact.html'), 'utf8')
  t.match(html, '<form method="post" action="https://forms.example/evothesis">')
  t.match(
    html,
    /<script defer src="tracking.js" integrity="sha384-[\w+/=]+" data-endpoint="https:\/\/events.example\/collect">/,
  )
  await t.rejects(buildSite({ out, contact: 'javascript:alert(1)' }), { message: /must be an address/ })
})
