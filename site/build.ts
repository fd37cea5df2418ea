import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { microsOfUsd } from '../src/billing/money.ts'
import { parsePlans } from '../src/billing/plans.ts'
import { dollars, type SitePlan } from './cost.ts'

const here = import.meta.dirname
const root = path.join(here, '..')

export type SiteOptions = {
  out: string
  /** Where the contact form posts to; the page says so when there is none. */
  contact?: string | undefined
  /** The collector that our own pixel on these pages sends to; without it there is no pixel on them. */
  collector?: string | undefined
}

const pages = ['index', 'how-it-works', 'pricing', 'privacy', 'contact'] as const
const menu: Record<(typeof pages)[number], string> = {
  index: 'Home',
  'how-it-works': 'How it works',
  pricing: 'Pricing',
  privacy: 'Privacy',
  contact: 'Contact',
}

/**
 * Builds the public site into a folder: five static pages without any request to elsewhere, for any static host. Prices
 * come from plans.yaml and figures from docs/performance.md, so that the pages claim nothing that is not there.
 */
export const buildSite = async ({ out, contact, collector }: SiteOptions): Promise<string[]> => {
  for (const [name, value] of Object.entries({ contact, collector }))
    if (value !== undefined && !/^https?:\/\/[^\s"<>]+$/.test(value))
      throw new Error(`--${name} must be an address that starts with https://`)
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const plans = readPlans()
  const values: Record<string, string> = {
    ...{ 'pixel.gzip': pixelGzip(), contact: contactText(contact), ...plans },
  }
  for (const page of pages) {
    const source = readFileSync(path.join(here, 'pages', `${page}.html`), 'utf8')
    const header = (name: string) => new RegExp(`<!-- ${name}: (.*?) -->`).exec(source)?.[1]
    const script = header('script')
    const html = fill(readFileSync(path.join(here, 'layout.html'), 'utf8'), {
      title: header('title') ?? '',
      description: header('description') ?? '',
      scripts: [script && `<script defer src="${script}"></script>`, collector && pixelTag(collector)]
        .filter(Boolean)
        .join('\n'),
      nav: pages
        .map((one) => `<a href="${one}.html"${one === page ? ' aria-current="page"' : ''}>${menu[one]}</a>`)
        .join(' '),
      body: fill(source.replaceAll(/<!-- (title|description|script): .*? -->\n/g, ''), values),
    })
    writeFileSync(path.join(out, `${page}.html`), html)
  }
  for (const file of ['style.css', 'icon.svg']) cpSync(path.join(here, file), path.join(out, file))
  await build({
    ...{ entryPoints: [path.join(here, 'pricing.ts')], outfile: path.join(out, 'pricing.js') },
    ...{ bundle: true, minify: true, target: 'es2020', tsconfigRaw: {} },
  })
  if (collector) cpSync(pixelFile(), path.join(out, 'tracking.js'))
  return readdirSync(out).sort()
}

const fill = (template: string, values: Record<string, string>): string =>
  template.replaceAll(/\{\{([\w.]+)\}\}/g, (_all, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`There is nothing for {{${name}}}.`)
    return value
  })

/** Of the pixel itself, from the table of sizes. */
const pixelGzip = (): string => {
  const row = /\| Evothesis [\d.]+ `tracking\.js`[^|]*\| [\d,]+ \| ([\d,]+) \|/.exec(
    readFileSync(path.join(root, 'docs/performance.md'), 'utf8'),
  )
  if (!row?.[1]) throw new Error('docs/performance.md has no row with the size of tracking.js.')
  return row[1]
}

const readPlans = (): Record<'plans.rows' | 'plans.addons' | 'plans.json', string> => {
  const file = path.join(root, 'appliance/defaults/plans.yaml')
  const { plans, addons } = parsePlans(readFileSync(file, 'utf8'), file)
  const sitePlans: SitePlan[] = Object.entries(plans).map(([name, plan]) => ({
    ...{ name, meter: plan.meter, included: plan.included, per: plan.overage.per },
    isPerBlock: plan.overage.blocks === 'started',
    ...{ monthlyMicros: Number(microsOfUsd(plan.monthly_usd)), overMicros: Number(microsOfUsd(plan.overage.usd)) },
  }))
  const number = (value: number): string => value.toLocaleString('en-US')
  const rows = sitePlans.map(
    (plan) =>
      `<tr><th scope="row">${plan.name}</th><td>${dollars(plan.monthlyMicros)}</td><td>${plan.included === 0 ? 'nothing' : `${number(plan.included)} ${plan.meter}`}</td><td>${dollars(plan.overMicros)} per ${plan.isPerBlock ? 'started ' : ''}${number(plan.per)} ${plan.meter}${plan.isPerBlock ? '' : ', pro rata'}</td></tr>`,
  )
  const extras = Object.entries(addons).map(
    ([name, addon]) =>
      `<p>With the preset <code>${name}</code>: ${dollars(Number(microsOfUsd(addon.monthly_usd)))} a month more.</p>`,
  )
  const json = JSON.stringify(sitePlans).replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  return { 'plans.rows': rows.join('\n'), 'plans.addons': extras.join('\n'), 'plans.json': json }
}

const contactText = (contact: string | undefined): string =>
  contact === undefined
    ? '<p class="notice">This copy of the site was built without an address for messages, so there is no form here.</p>'
    : `<form method="post" action="${contact}">
<p><label for="name">Your name</label> <input id="name" name="name" autocomplete="name" required></p>
<p><label for="email">Your e-mail address</label> <input id="email" name="email" type="email" autocomplete="email" required></p>
<p><label for="message">Your message</label> <textarea id="message" name="message" rows="6" required></textarea></p>
<p><button>Send</button></p>
</form>
<p>What you write goes to ${new URL(contact).host}, and nowhere else.</p>`

const pixelFile = (): string => {
  const file = path.join(root, 'dist/static/js/tracking.js')
  if (!existsSync(file)) throw new Error('The pixel is not built; run npm run build first.')
  return file
}

const pixelTag = (collector: string): string => {
  const integrity = createHash('sha384').update(readFileSync(pixelFile())).digest('base64')
  const endpoint = new URL('/collect', collector).href
  return `<script defer src="tracking.js" integrity="sha384-${integrity}" data-endpoint="${endpoint}"></script>`
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: path.join(root, 'dist/site') },
      contact: { type: 'string' },
      collector: { type: 'string' },
    },
  })
  const files = await buildSite(values)
  process.stdout.write(`${values.out}: ${files.join(', ')}\n`)
  if (!values.contact) process.stdout.write('The contact page says that it has no address; --contact URL sets one.\n')
  if (!values.collector) process.stdout.write('There is no pixel on the pages; --collector URL puts ours there.\n')
}
