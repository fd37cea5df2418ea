import type { Page } from 'playwright-core'
import t from 'tap'
import { noChromium } from '../support/chromium.ts'
import { createLab, type Lab } from '../support/lab.ts'

/** Each is typed into a field of its own kind; the shapes are what a value looks like, the words what it cannot tell. */
const canaries = {
  mail: 'canary.mail@example.com',
  phone: '+49 170 5550199',
  usPhone: '415-555-0132',
  card: '4242 4242 4242 4242',
  ssn: '078-05-1120',
  word: 'canaryword7f3a',
}
const found = (text: string): string[] =>
  Object.entries(canaries)
    .filter(([, value]) =>
      [value, encodeURIComponent(value), value.replaceAll(' ', '+'), value.replaceAll(' ', '')].some((form) =>
        text.includes(form),
      ),
    )
    .map(([name]) => name)

const keys = (page: Page): Promise<string[]> => page.evaluate('Object.keys(localStorage)')
const noBatchSoon = `data-batch-size="500"`

const use = async (page: Page, lab: Lab): Promise<void> => {
  await page.goto(`${lab.site()}/?q=shoes`)
  await page.click('button')
  await page.fill('input', 'text')
  await page.evaluate(`window.evothesis?.track('own'); window.evothesis?.identify('user-1')`)
  await page.evaluate('window.evothesis?.flush()')
  await page.goto('about:blank')
  await page.goto(`${lab.site()}/next`)
  await page.evaluate('window.evothesis?.flush()')
}

if (noChromium) t.plan(0, noChromium)
else {
  const lab = await createLab(t)

  t.test('nothing private that is typed, shown or pushed anywhere is in any request', async (t) => {
    const context = await lab.begin()
    const kinds = ['text', 'email', 'tel', 'password', 'number', 'url', 'date', 'hidden', 'search', 'radio', 'checkbox']
    const fields = kinds.map((kind) => `<input type="${kind}" name="field-${kind}">`).join('')
    const body = `<form id="form" action="/send?to=${canaries.word}">${fields}<textarea name="area"></textarea>
      <select name="pick"><option>a</option><option value="${canaries.word}">b</option></select>
      <div contenteditable id="edit"></div><button>Send ${canaries.mail}</button></form>
      <form id="given"><input name="mail" data-track-value><input name="note" data-track-value><button>Send</button></form>
      <a href="/user/${encodeURIComponent(canaries.mail)}?secret=${canaries.word}#${canaries.word}">${canaries.word}</a>
      <a id="to" href="mailto:${canaries.mail}">x</a><a id="call" href="tel:${canaries.phone}" data-track-text>${canaries.phone}</a>
      <p id="copy">${canaries.word}</p><img alt="${canaries.word}" src="data:,">`
    const shopEvent = `{ event: 'purchase', user: '${canaries.word}', ecommerce: { value: 1, coupon: '${canaries.mail}',
      customer_note: '${canaries.word}', items: [{ item_name: 'For ${canaries.phone}', gift_note: '${canaries.word}' }] } }`
    const head = `<script>window.dataLayer = [${shopEvent}]; document.title = 'Order of ${canaries.mail} ${canaries.card}'</script>`
    for (const path of ['/', '/send', '/user/*', '*']) lab.serve(path, body, noBatchSoon, head)
    const page = await context.newPage()
    await page.evaluate(`0`)
    const query = `?q=${encodeURIComponent(canaries.mail)}&utm_content=${encodeURIComponent(canaries.phone)}&token=${canaries.word}`
    await page.goto(`${lab.site()}/start/${encodeURIComponent(canaries.ssn)}${query}#${canaries.word}`, {
      referer: `https://mail.example.com/inbox/${canaries.mail}?secret=${canaries.word}`,
    })
    await page.evaluate(`document.addEventListener('submit', (event) => event.preventDefault())`)
    for (const kind of kinds) {
      const field = `#form [name="field-${kind}"]`
      for (const value of Object.values(canaries))
        await page.evaluate(
          ([selector, text]) => {
            const script = `const field = document.querySelector(${JSON.stringify(selector)})
              if (field.type === 'radio' || field.type === 'checkbox') field.value = ${JSON.stringify(text)}, field.checked = true
              else field.value = ${JSON.stringify(text)}
              for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }))`
            new Function(script)()
          },
          [field, value],
        )
    }
    await page.fill('textarea', Object.values(canaries).join(' '))
    await page.selectOption('select', { index: 1 })
    await page.fill('#edit', canaries.word)
    for (const value of Object.values(canaries).slice(0, 5)) {
      await page.fill('#given [name=note]', value)
      await page.fill('#given [name=mail]', value)
    }
    for (const button of await page.$$('button')) await button.click()
    await page.evaluate(`addEventListener('click', (event) => event.preventDefault())`)
    for (const link of await page.$$('a')) await link.click()
    await page.evaluate(
      `getSelection().selectAllChildren(document.getElementById('copy')); document.execCommand('copy')`,
    )
    await page.evaluate(
      `dataLayer.push(${shopEvent}, ['event', 'add_to_cart', { items: [], email: '${canaries.mail}' }])`,
    )
    await page.evaluate(
      `evothesis.track('own', { note: 'call ${canaries.phone}', card: '${canaries.card}', password: '${canaries.word}', deep: [{ email: '${canaries.word}' }] })`,
    )
    await page.evaluate(`evothesis.identify('u1', { email: '${canaries.word}', text: '${canaries.ssn}' })`)
    await page.evaluate(`setTimeout(() => { throw new Error('No ${canaries.mail}') })`)
    await page.evaluate(`history.pushState({}, '', '/route/${canaries.mail}?session=${canaries.word}')`)
    await page.evaluate('new Promise((done) => setTimeout(done, 100))')
    await page.evaluate('evothesis.flush()')
    await page.goto('about:blank')
    await lab.waitFor('page_exit', 2)
    const types = new Set(await lab.storedTypes())
    for (const type of [
      'pageview',
      'form_start',
      'form_change',
      'form_submit',
      'click',
      'search',
      'purchase',
      'own',
      'js_error',
    ])
      t.ok(types.has(type), `${type} was sent`)
    t.ok(lab.bodies().length > 0)
    for (const body of lab.bodies()) t.same(found(body), [])
    t.same(found(JSON.stringify(await lab.stored())), [])
  })

  const refusals: Record<string, { init?: string; attributes?: string; call?: string }> = {
    'Global Privacy Control': { init: `Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })` },
    'Do Not Track': { init: `Object.defineProperty(navigator, 'doNotTrack', { value: '1' })` },
    'consent pending': { attributes: 'data-consent="pending"' },
    'consent denied': { attributes: 'data-consent="denied"' },
    'consent denied by call': { attributes: 'data-consent="pending"', call: `evothesis.consent('denied')` },
    'a grant under Global Privacy Control': {
      init: `Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })`,
      call: `evothesis.consent('granted')`,
    },
  }
  for (const [name, { init, attributes, call }] of Object.entries(refusals))
    t.test(`${name}: no request, no stored key`, async (t) => {
      const context = await lab.begin()
      if (init) await context.addInitScript(init)
      const after = call ? `<script>addEventListener('DOMContentLoaded', () => { ${call} })</script>` : ''
      for (const path of ['/', '/next']) lab.serve(path, '<button>x</button><form><input></form>', attributes, after)
      const page = await context.newPage()
      await use(page, lab)
      t.same(await keys(page), [])
      t.same(await page.evaluate('[document.cookie, sessionStorage.length]'), ['', 0])
      t.same(lab.bodies(), [])
    })

  t.test('signals can be ignored where the law of a site says so', async (t) => {
    const context = await lab.begin()
    await context.addInitScript(`Object.defineProperty(navigator, 'doNotTrack', { value: '1' })`)
    lab.serve('/', '', 'data-signals="ignore"')
    const page = await context.newPage()
    await page.goto(lab.site())
    t.equal(await page.evaluate('evothesis.flush()'), true)
    t.same(await lab.storedTypes(), ['pageview'])
  })

  t.test(
    'pending collects in memory, a grant sends it and is remembered, a withdrawal ends and clears it',
    async (t) => {
      const context = await lab.begin()
      for (const path of ['/', '/next']) lab.serve(path, '<button>x</button>', 'data-consent="pending"')
      const page = await context.newPage()
      await page.goto(lab.site())
      await page.click('button')
      t.equal(await page.evaluate('evothesis.flush()'), true)
      t.same([await keys(page), lab.bodies()], [[], []])
      await page.evaluate(`evothesis.consent('granted', { categories: ['analytics'], version: '3' })`)
      await page.evaluate('evothesis.flush()')
      t.same(await lab.storedTypes(), ['pageview', 'click', 'consent'])
      const [consent] = await lab.waitFor('consent')
      t.same(consent?.raw.eventData, { categories: ['analytics'], version: '3', state: 'granted' })
      t.ok((await keys(page)).includes('evo_consent'))

      await page.goto(`${lab.site()}/next`)
      await page.evaluate('evothesis.flush()')
      const views = await lab.waitFor('pageview', 2)
      t.equal(views[0]?.visitorId, views[1]?.visitorId, 'the next page needs no question')

      await page.click('button')
      await page.evaluate(`evothesis.consent('denied', { version: '3' })`)
      const [, denied] = await lab.waitFor('consent', 2)
      t.same(denied?.raw.eventData, { version: '3', state: 'denied' })
      t.same(await keys(page), [])
      const before = lab.bodies().length
      await page.click('button')
      await page.evaluate(`evothesis.track('own'); evothesis.flush()`)
      await page.goto('about:blank')
      await page.goto(`${lab.site()}/next`)
      await page.evaluate('evothesis.flush()')
      t.equal(lab.bodies().length, before)
      t.same(await keys(page), [])
    },
  )

  t.test('a withdrawal in one tab ends the others, too', async (t) => {
    const context = await lab.begin()
    lab.serve('/', '<button>x</button>')
    const [first, second] = [await context.newPage(), await context.newPage()]
    for (const page of [first, second]) {
      await page.goto(lab.site())
      await page.evaluate('evothesis.flush()')
    }
    await second.click('button')
    await first.evaluate(`evothesis.consent('denied')`)
    await lab.waitFor('consent')
    await second.evaluate('new Promise((done) => setTimeout(done, 100))')
    const before = lab.bodies().length
    await second.evaluate(`evothesis.track('own'); evothesis.flush()`)
    await second.goto('about:blank')
    t.same(await keys(first), [])
    t.equal(lab.bodies().length, before)
    t.same(await lab.storedTypes(), ['pageview', 'pageview', 'consent'])
  })

  t.test('an opt-out lasts, also against a later grant, until the opt-in', async (t) => {
    const context = await lab.begin()
    for (const path of ['/', '/next']) lab.serve(path, '')
    const page = await context.newPage()
    await page.goto(lab.site())
    await page.evaluate('evothesis.optOut()')
    t.same(await keys(page), ['evo_off'])
    await page.goto(`${lab.site()}/next`)
    await page.evaluate(`evothesis.consent('denied'); evothesis.consent('granted'); evothesis.track('own')`)
    await page.evaluate('evothesis.flush()')
    t.same([await keys(page), lab.bodies()], [['evo_off'], []])
    await page.evaluate(`evothesis.optIn(); evothesis.track('own')`)
    await page.evaluate('evothesis.flush()')
    t.same(await lab.storedTypes(), ['own'])
  })

  t.test('cookieless: nothing is stored, there is no visitor, and the page still counts', async (t) => {
    const context = await lab.begin()
    for (const path of ['/', '/next']) lab.serve(path, '<button>x</button><form><input></form>', 'data-storage="none"')
    const page = await context.newPage()
    await use(page, lab)
    t.same(await keys(page), [])
    const views = await lab.waitFor('pageview', 2)
    t.same(
      views.map((view) => view.visitorId),
      [null, null],
    )
  })
}
