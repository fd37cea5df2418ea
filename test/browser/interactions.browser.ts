import t from 'tap'
import { pixelEvent } from '../../tracking/payload.ts'
import { noChromium } from '../support/chromium.ts'
import { createLab, type Lab, type StoredEvent } from '../support/lab.ts'

/** What a person does on a page, and what the collector has stored of it afterwards, types not named included. */
const journey = async (
  lab: Lab,
  page: { body: string; attributes?: string; path?: string },
  act: (page: import('playwright-core').Page) => Promise<void>,
): Promise<StoredEvent[]> => {
  const context = await lab.begin()
  lab.serve('*', '<h1>Elsewhere</h1>', 'data-track="none"')
  lab.serve('/', page.body, page.attributes)
  const tab = await context.newPage()
  await tab.goto(`${lab.site()}${page.path ?? '/'}`)
  await act(tab)
  await tab.evaluate('evothesis.flush()')
  refuseUnknownFields(lab.bodies())
  return lab.stored()
}

/** Whatever a journey makes the pixel send is what the schema says. */
const refuseUnknownFields = (bodies: string[]): void => {
  const known = new Set<string>(pixelEvent.options.map((option) => option.shape.eventType.value))
  for (const event of bodies.flatMap((body) => (JSON.parse(body) as { events: { eventType: string }[] }).events))
    if (known.has(event.eventType)) pixelEvent.parse(event)
}
const dataOf = (events: StoredEvent[], type: string) =>
  events.filter((event) => event.eventType === type).map((event) => event.raw.eventData)
const typesOf = (events: StoredEvent[]) => events.map((event) => event.eventType)

if (noChromium) t.plan(0, noChromium)
else {
  const lab = await createLab(t)

  t.test('a page view arrives with page, attribution and browser, and nothing else does', async (t) => {
    const context = await lab.begin()
    lab.serve('/shoes', '<h1>Shoes</h1>')
    const page = await context.newPage()
    await page.goto(`${lab.site()}/shoes?utm_source=News&GCLID=abc&token=secret1#here`, {
      referer: 'https://www.google.com/',
    })
    await page.evaluate('evothesis.flush()')
    const stored = await lab.stored()
    t.same(typesOf(stored), ['pageview'])
    const [view] = stored
    t.match(view, {
      url: `${lab.site()}/shoes?utm_source=News&GCLID=abc`,
      path: '/shoes',
      siteId: /^site-/,
      visitorId: /^v[0-9a-f]{32}$/,
      sessionId: /^s[0-9a-f]{16}-1$/,
    })
    t.match(view?.raw, {
      page: { title: 'Page /shoes' },
      attribution: {
        utmParams: { utm_source: 'News' },
        campaignParams: { gclid: 'abc' },
        referrer: 'https://www.google.com/',
        referrerType: 'search',
        referrerPlatform: 'google',
      },
      browser: { language: 'en-US', viewportWidth: 1280, timezone: String },
      eventData: { navigationMethod: 'load' },
      seq: 1,
    })
  })

  t.test('referrers are told apart', async (t) => {
    const context = await lab.begin()
    lab.serve('*', '')
    const page = await context.newPage()
    const referrers = [
      '',
      `${lab.site()}/a`,
      'https://duckduckgo.com/',
      'https://t.co/x',
      'https://blog.example.com/post?x=1',
    ]
    for (const referer of referrers) {
      await page.goto(`${lab.site()}/p`, referer ? { referer } : {})
      await page.evaluate('evothesis.flush()')
    }
    const views = await lab.waitFor('pageview', referrers.length)
    t.same(
      views.map((view) => [view.raw.attribution?.referrerType, view.raw.attribution?.referrerPlatform]),
      [
        ['direct', undefined],
        ['internal', new URL(lab.site()).hostname],
        ['search', 'duckduckgo'],
        ['social', 't'],
        ['referral', 'blog.example.com'],
      ],
    )
  })

  t.test('a click is told by its link or button, also from inside, without text', async (t) => {
    const stored = await journey(
      lab,
      {
        body: `<a id="more" class="cta big" href="#more?x=1"><b><i>Secret words</i></b></a>
          <button data-track-text>Buy now</button><svg width="20" height="20"><circle r="9" cx="9" cy="9"/></svg><p>Plain</p>`,
      },
      async (tab) => {
        await tab.click('i')
        await tab.click('button')
        await tab.click('p')
        await tab.click('svg')
        await tab.focus('#more')
        await tab.keyboard.press('Enter')
      },
    )
    const clicks = dataOf(stored, 'click')
    t.equal(clicks.length, 3)
    t.match(clicks[0], { tagName: 'a', id: 'more', classes: 'cta big', href: `${lab.site()}/`, text: null })
    const { x, y } = (clicks[0]?.position ?? { x: 0, y: 0 }) as { x: number; y: number }
    t.ok(x > 0 && x < 1 && y > 0 && y < 1, `a share of the document: ${x}, ${y}`)
    t.match(clicks[1], { tagName: 'button', text: 'Buy now' })
    t.equal(clicks[2]?.position, null, 'a click by keyboard has no position')
    t.notMatch(JSON.stringify(stored), /Secret words/)
    t.same([...new Set(typesOf(stored))].sort(), ['click', 'pageview'])
  })

  t.test('downloads and links out are told, mail links only by their scheme', async (t) => {
    const stored = await journey(
      lab,
      {
        body: `<a id="pdf" href="/files/List.PDF?u=1"><span>List</span></a><a id="out" target="_blank" rel="opener"
          href="http://localhost:1/x?utm_source=me&key=1"><em>Out</em></a><a id="mail" href="mailto:jane@example.com">Mail</a>`,
      },
      async (tab) => {
        await tab.evaluate(`addEventListener('click', (e) => e.preventDefault())`)
        for (const id of ['pdf', 'out', 'mail']) await tab.click(`#${id}`)
      },
    )
    t.same(dataOf(stored, 'download'), [{ href: `${lab.site()}/files/List.PDF`, fileType: 'PDF' }])
    t.same(dataOf(stored, 'outbound'), [{ href: 'http://localhost:1/x?utm_source=me', host: 'localhost:1' }])
    t.same(
      dataOf(stored, 'click').map((click) => click.href),
      [`${lab.site()}/files/List.PDF`, 'http://localhost:1/x?utm_source=me', 'mailto:'],
    )
    t.notMatch(lab.bodies().join(), /jane/)
  })

  t.test('three quick clicks on one spot are rage, slow or spread ones are not', async (t) => {
    const stored = await journey(
      lab,
      { body: '<div id="dead" style="height:300px">Nothing happens</div><input id="steps">' },
      async (tab) => {
        await tab.mouse.click(50, 100, { clickCount: 2 })
        await tab.mouse.click(54, 103)
        await tab.mouse.click(400, 100)
        await tab.mouse.click(500, 100)
        await tab.mouse.click(600, 100)
        for (let i = 0; i < 4; i++) await tab.click('#steps')
      },
    )
    t.match(dataOf(stored, 'rage_click'), [{ tagName: 'div', id: 'dead' }])
    t.equal(dataOf(stored, 'rage_click').length, 1)
  })

  t.test(
    'rage is three clicks less than a second and 30 px apart, sideways and down added, to the millisecond and pixel',
    async (t) => {
      // The limits of posthog-js (rageclick.ts): 30 px and 1000 ms are too far.
      const rages = async (gapMs: number, right: number, down: number): Promise<number> => {
        const stored = await journey(lab, { body: '<div id="dead">Nothing happens</div>' }, (tab) =>
          tab.evaluate(`
            for (const index of [0, 1, 2]) {
              const [clientX, clientY] = [50 + index * ${right}, 50 + index * ${down}]
              const click = new MouseEvent('click', { bubbles: true, clientX, clientY })
              Object.defineProperty(click, 'timeStamp', { value: 5_000 + index * ${gapMs} })
              document.getElementById('dead').dispatchEvent(click)
            }`),
        )
        return dataOf(stored, 'rage_click').length
      }
      t.equal(await rages(999, 29, 0), 1)
      t.equal(await rages(999, 9, 20), 1)
      t.equal(await rages(1000, 0, 0), 0)
      t.equal(await rages(10, 30, 0), 0)
      t.equal(await rages(10, 22, 8), 0)
    },
  )

  t.test('selection and copy tell how much, never what', async (t) => {
    const stored = await journey(lab, { body: '<p id="text">A secret sentence of some length</p>' }, async (tab) => {
      await tab.evaluate(`getSelection().selectAllChildren(document.getElementById('text'))`)
      await tab.waitForTimeout(0)
      await tab.evaluate(`document.execCommand('copy')`)
      await tab.waitForFunction(`new Promise((done) => setTimeout(() => done(true), 1050))`)
    })
    t.same(dataOf(stored, 'text_copy'), [{ textLength: 32 }])
    t.same(dataOf(stored, 'text_selection'), [{ textLength: 32 }])
    t.notMatch(lab.bodies().join(), /secret sentence/)
  })

  t.test('scroll depth is told by quarters, measured again when the page grows', async (t) => {
    const stored = await journey(lab, { body: '<div id="long" style="height:3000px"></div>' }, async (tab) => {
      const scroll = async (y: number) => {
        await tab.evaluate(`scrollTo(0, ${y})`)
        await tab.evaluate(`new Promise((done) => setTimeout(done, 150))`)
      }
      await scroll(100)
      await scroll(1500)
      await tab.evaluate(`document.getElementById('long').style.height = '9000px'`)
      await scroll(2000)
      await scroll(99999)
      await scroll(0)
    })
    t.same(
      dataOf(stored, 'scroll_depth').map((data) => data.milestone),
      [25, 50, 75, 100],
    )
  })

  t.test('forms are told by fields and kinds, values only where asked for', async (t) => {
    const stored = await journey(
      lab,
      {
        body: `<form id="signup" action="/done?key=1"><input name="id" value=""><input name="action" type="hidden" value="h">
          <input name="email" type="email" required><input name="plan" data-track-value><input name="pw" type="password" data-track-value>
          <select name="size"><option>S<option>M</select><textarea name="note"></textarea><button>Send</button></form>
          <form name="second"><input name="left"></form>`,
      },
      async (tab) => {
        await tab.evaluate(`document.addEventListener('submit', (e) => e.preventDefault())`)
        await tab.fill('[name=id]', 'typed-secret')
        await tab.click('button')
        await tab.fill('[name=email]', 'jane@example.com')
        await tab.fill('[name=plan]', 'large')
        await tab.fill('[name=pw]', 'hunter2')
        await tab.press('[name=pw]', 'Tab')
        await tab.selectOption('[name=size]', 'M')
        await tab.fill('textarea', 'typed-secret')
        await tab.click('button')
        await tab.fill('[name=left]', 'typed-secret')
        await tab.press('[name=left]', 'Tab')
        await tab.evaluate(`history.pushState({}, '', '/next')`)
        await tab.evaluate(`new Promise((done) => setTimeout(done, 150))`)
      },
    )
    t.match(dataOf(stored, 'form_start'), [
      { formId: 'signup', formAction: `${lab.site()}/done`, field: 'id', kind: 'text' },
      { formId: 'second', field: 'left' },
    ])
    t.same(
      dataOf(stored, 'form_change').map((data) => [data.field, data.kind, data.value]),
      [
        ['id', 'text', undefined],
        ['email', 'email', undefined],
        ['plan', 'text', 'large'],
        ['pw', 'password', undefined],
        ['size', 'select-one', undefined],
        ['note', 'textarea', undefined],
        ['left', 'text', undefined],
      ],
    )
    t.same(
      dataOf(stored, 'form_error').map((data) => [data.field, data.error]),
      [['email', 'valueMissing']],
    )
    const [submit] = dataOf(stored, 'form_submit')
    t.match(submit, { formId: 'signup' })
    t.match(submit?.fields, [{ field: 'id', kind: 'text', filled: true }])
    t.match(dataOf(stored, 'form_abandon'), [{ formId: 'second', lastField: 'left' }])
    t.equal(dataOf(stored, 'form_abandon').length, 1)
    t.notMatch(lab.bodies().join(), /typed-secret|jane|hunter2/)
  })

  t.test('errors of the page are told once each', async (t) => {
    const stored = await journey(lab, { body: '' }, async (tab) => {
      await tab.evaluate(
        `for (let i = 0; i < 3; i++) setTimeout(() => { throw new Error('Cart is broken for jane@example.com') })`,
      )
      await tab.evaluate(`setTimeout(() => Promise.reject(new Error('No stock')))`)
      await tab.evaluate(`new Promise((done) => setTimeout(done, 50))`)
    })
    t.same(
      dataOf(stored, 'js_error').map((data) => data.message),
      ['Uncaught Error: Cart is broken for [REDACTED]', 'No stock'],
    )
  })

  t.test('a site search is told with its words and its results', async (t) => {
    const stored = await journey(
      lab,
      { body: '<ul data-search-results="7"></ul>', path: '/?q=red+shoes&page=2' },
      async (tab) => {
        await tab.waitForFunction('document.readyState === "complete"')
      },
    )
    t.same(dataOf(stored, 'search'), [{ query: 'red shoes', parameter: 'q', results: 7 }])
  })

  t.test('routes of a single-page site are page views; the same address is not', async (t) => {
    for (const how of ['navigation API', 'history']) {
      const context = await lab.begin()
      if (how === 'history') await context.addInitScript('delete window.navigation')
      lab.serve('/', '')
      const tab = await context.newPage()
      await tab.goto(`${lab.site()}/`)
      const settle = () => tab.evaluate(`new Promise((done) => setTimeout(done, 120))`)
      await tab.evaluate(`history.pushState({}, '', '/a'); document.title = 'A'`)
      await settle()
      await tab.evaluate(`history.replaceState({ same: 1 }, '', '/a')`)
      await settle()
      await tab.evaluate(`history.pushState({}, '', '/a#part')`)
      await settle()
      await tab.evaluate(
        `history.pushState({}, '', '/b'); history.replaceState({}, '', '/b?page=1'); document.title = 'B'`,
      )
      await settle()
      await tab.evaluate(`history.pushState({}, '', '/#/hash/route')`)
      await settle()
      await tab.evaluate(`history.back()`)
      await settle()
      await tab.evaluate('evothesis.flush()')
      const views = (await lab.stored()).filter((event) => event.eventType === 'pageview')
      t.same(
        views.map((view) => [
          view.url.slice(lab.site().length),
          view.raw.page?.title,
          view.raw.eventData.navigationMethod,
        ]),
        [
          ['/', 'Page /', 'load'],
          ['/a', 'A', 'route'],
          ['/b', 'B', 'route'],
          ['/#/hash/route', 'B', 'route'],
          ['/b', 'B', 'route'],
        ],
        how,
      )
      t.equal(views[1]?.raw.attribution?.referrer, `${lab.site()}/`)
      const exits = (await lab.stored()).filter((event) => event.eventType === 'page_exit')
      t.same(
        exits.map((event) => event.path),
        ['/', '/a', '/b', '/'],
        'what is told on leaving belongs to the page that is left',
      )
    }
  })

  t.test('the API: track, page, identify, purchase, addToCart, reset', async (t) => {
    const stored = await journey(lab, { body: '', attributes: 'data-skip="pageview"' }, async (tab) => {
      await tab.evaluate(`
        const cycle = { a: 1 }; cycle.self = cycle
        evothesis.track('signup', { plan: 'small', seats: 3, tags: ['x', { deep: true }], email: 'jane@example.com' })
        evothesis.page({ section: 'docs' })
        evothesis.track('cycle', cycle)
        evothesis.identify('user-1', { plan: 'gold', phone: '1' })
        evothesis.purchase({ transaction_id: 'T1', value: 9.5, currency: 'EUR', items: [{ item_id: 'a', price: 9.5, quantity: 1 }] })
        evothesis.addToCart({ items: [{ item_id: 'b' }] })
        evothesis.reset()
        evothesis.track('after')`)
    })
    t.same(typesOf(stored), ['signup', 'pageview', 'cycle', 'identify', 'purchase', 'add_to_cart', 'after'])
    t.same(dataOf(stored, 'signup'), [{ plan: 'small', seats: 3, tags: ['x', { deep: true }], email: '[REDACTED]' }])
    t.same(dataOf(stored, 'identify'), [{ traits: { plan: 'gold', phone: '[REDACTED]' } }])
    t.match(dataOf(stored, 'purchase'), [{ transaction_id: 'T1', value: 9.5, items: [{ item_id: 'a' }] }])
    t.equal(stored[2]?.userId, null)
    t.equal(stored[4]?.userId, 'user-1')
    t.equal(stored[6]?.userId, null)
    t.not(stored[6]?.visitorId, stored[5]?.visitorId)
    t.not(stored[6]?.sessionId, stored[5]?.sessionId)
  })

  t.test('calls and shop events from before the script arrived are kept', async (t) => {
    const context = await lab.begin()
    const head = `<script>
      (window.evothesis = window.evothesis || []).push(['track', 'early', { n: 1 }])
      window.dataLayer = [{ event: 'gtm.js' }, { event: 'purchase', ecommerce: { transaction_id: 'T9', value: 5, customer: 'Jane', items: [{ item_name: 'Shoe', price: 5, note: 'jane' }] } }]
      function gtag() { dataLayer.push(arguments) }
      gtag('event', 'view_item', { currency: 'EUR', items: [{ item_id: 'x' }], user_data: { email: 'jane@example.com' } })
    </script>`
    lab.serve('/', '', '', head)
    const tab = await context.newPage()
    await tab.goto(lab.site())
    const pushed = await tab.evaluate(
      `dataLayer.push({ event: 'add_to_cart', ecommerce: { items: [{ item_id: 'y' }] } })`,
    )
    t.equal(pushed, 4, 'the push of the page answers as before')
    await tab.evaluate(`evothesis.push(['track', 'late'])`)
    await tab.evaluate('evothesis.flush()')
    const stored = await lab.stored()
    t.same(typesOf(stored).sort(), ['add_to_cart', 'early', 'late', 'pageview', 'product_view', 'purchase'])
    t.same(dataOf(stored, 'purchase'), [{ transaction_id: 'T9', value: 5, items: [{ item_name: 'Shoe', price: 5 }] }])
    t.same(dataOf(stored, 'product_view'), [{ currency: 'EUR', items: [{ item_id: 'x' }] }])
    t.notMatch(lab.bodies().join(), /jane/i)
  })

  t.test(
    'a tag that a script makes works the same, as tag managers make it; a second one changes nothing',
    async (t) => {
      const context = await lab.begin()
      const make = `{ const script = document.createElement('script'); script.src = '/js/tracking.js'
      script.setAttribute('data-endpoint', '${lab.gate.url}/collect'); script.setAttribute('data-skip', 'click'); document.head.append(script) }`
      lab.serve('/', '<button>x</button>', 'data-skip="click"', `<script>${make}</script><script>${make}</script>`)
      const tab = await context.newPage()
      await tab.goto(lab.site())
      await tab.waitForFunction('window.evothesis')
      await tab.click('button')
      await tab.evaluate('evothesis.flush()')
      t.same(await lab.storedTypes(), ['pageview'])
    },
  )

  t.test('a video is told by start, quarters and end', async (t) => {
    const stored = await journey(lab, { body: '<video id="film"></video>' }, async (tab) => {
      await tab.evaluate(`
        const film = document.getElementById('film'); let at = 0
        Object.defineProperty(film, 'duration', { value: 10 })
        Object.defineProperty(film, 'currentTime', { get: () => at })
        const tell = (type, seconds) => { at = seconds; film.dispatchEvent(new Event(type)) }
        tell('play', 0); tell('timeupdate', 1); tell('timeupdate', 2.6); tell('play', 2.7); tell('timeupdate', 8); tell('ended', 10); tell('play', 0)`)
    })
    t.same(
      dataOf(stored, 'video').map((data) => [data.action, data.progress]),
      [
        ['start', 0],
        ['progress', 25],
        ['progress', 50],
        ['progress', 75],
        ['complete', 100],
      ],
    )
  })

  t.test('engaged time counts only what is visible and in focus', async (t) => {
    const stored = await journey(lab, { body: '' }, async (tab) => {
      await tab.evaluate(`
        let focused = true; document.hasFocus = () => focused
        const wait = (ms) => new Promise((done) => setTimeout(done, ms))
        window.step = async () => {
          await wait(200); focused = false; dispatchEvent(new Event('blur'))
          await wait(1000); focused = true; dispatchEvent(new Event('focus')); await wait(100)
          history.pushState({}, '', '/next'); await wait(100)
        }`)
      await tab.evaluate('step()')
    })
    const [told] = dataOf(stored, 'engagement')
    const engagedMs = Number(told?.engagedMs)
    const [exit] = dataOf(stored, 'page_exit')
    t.ok(engagedMs >= 290 && Number(exit?.timeSpent) - engagedMs >= 990, `${engagedMs} of ${exit?.timeSpent} ms`)
  })

  t.test('a page that is prerendered counts when it is shown', async (t) => {
    const context = await lab.begin()
    await context.addInitScript(`
      let prerendering = true
      Object.defineProperty(document, 'prerendering', { get: () => prerendering })
      window.show = () => { prerendering = false; document.dispatchEvent(new Event('prerenderingchange')) }`)
    lab.serve('/', '')
    const tab = await context.newPage()
    await tab.goto(lab.site())
    await tab.evaluate('evothesis.flush()')
    t.same(await lab.storedTypes(), [])
    await tab.evaluate('show()')
    await tab.evaluate('evothesis.flush()')
    t.same(dataOf(await lab.stored(), 'pageview'), [{ navigationMethod: 'prerender' }])
  })

  t.test('web vitals arrive when their file is loaded', async (t) => {
    const context = await lab.begin()
    lab.serve('/', `<h1>Hello</h1><script defer src="${lab.site()}/js/web-vitals.js"></script>`)
    const tab = await context.newPage()
    await tab.goto(lab.site())
    await tab.click('h1')
    await tab.goto('about:blank')
    const names = (await lab.waitFor('web_vital', 3)).map((event) => event.raw.eventData.name)
    t.ok(
      ['FCP', 'TTFB', 'LCP'].every((name) => names.includes(name)),
      names.join(),
    )
  })

  t.test('data-track and data-skip choose, data-sample-rate leaves visitors out, data-debug logs', async (t) => {
    const act = async (tab: import('playwright-core').Page) => {
      await tab.click('button')
      await tab.evaluate(`evothesis.track('own')`)
    }
    const body = '<button>Press</button>'
    // A click is reported after the page's own handlers, so that a call may come before it.
    t.same(typesOf(await journey(lab, { body, attributes: 'data-track="click"' }, act)).sort(), ['click', 'own'])
    t.same(typesOf(await journey(lab, { body, attributes: 'data-skip="click"' }, act)), ['pageview', 'own'])
    t.same(typesOf(await journey(lab, { body, attributes: 'data-sample-rate="0"' }, act)), [])
    const logged: string[] = []
    await journey(lab, { body, attributes: 'data-debug' }, async (tab) => {
      tab.on('console', (message) => logged.push(message.text()))
      await act(tab)
    })
    t.ok(logged.some((text) => /evothesis own/.test(text)))
  })
}
