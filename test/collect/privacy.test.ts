import t from 'tap'
import { createPrivacy } from '../../src/collect/privacy.ts'
import { privateValues } from '../../src/collect/private-values.ts'
import { rewriteTree } from '../../src/collect/tree.ts'
import { loadConfig } from '../../src/config.ts'
import type { Json } from '../../src/json.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { createTestDatabase } from '../support/database.ts'
import { lookAlikeKeys, lookAlikes, privateKeys, privateTexts } from './privacy-corpus.ts'
import { createServer, hashKey, post, rawOf } from './server.ts'

const privacyOf = (env: Record<string, string> = {}) =>
  createPrivacy(loadConfig(env, '/nonexistent'), createKeyedHash(hashKey))
const redact = (value: unknown, env?: Record<string, string>): Json =>
  rewriteTree(structuredClone(value) as Json, privacyOf(env).rewrite(true), 64).value
const compact = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
const secretOf = (text: string): string =>
  compact(decodeURIComponent(decodeURIComponent(text)).replace(/^(?:mailto|tel|bearer)[: ]/i, ''))

/** Every way a text travels in an event. */
const places: Record<string, (text: string) => unknown> = {
  'a value': (text) => text,
  'a sentence': (text) => `Please write to ${text}, thank you.`,
  'a nested array': (text) => ({ a: [{ b: [text] }] }),
  'a form': (text) => ({ formData: { field_7: text } }),
  'a title': (text) => ({ page: { title: `Welcome ${text} | Shop` } }),
  'a query': (text) => `https://shop.example/p?q=${encodeURIComponent(text)}&x=1`,
  'a fragment': (text) => `https://shop.example/p#u=${encodeURIComponent(text)}`,
  'form data in a text': (text) => `a=1&q=${encodeURIComponent(text).replaceAll('%20', '+')}&b=2`,
  'JSON in a text': (text) => JSON.stringify({ deep: { er: text } }),
  'JSON in JSON in a text': (text) => JSON.stringify({ deep: JSON.stringify([text]) }),
  'a key': (text) => ({ [text]: 1 }),
}

for (const [kind, texts] of Object.entries(privateTexts))
  t.test(`no ${kind} is stored, wherever it stands`, async (t) => {
    for (const text of texts)
      for (const [place, put] of Object.entries(places)) {
        const stored = JSON.stringify(redact({ eventType: 'x', data: put(text) }))
        if (compact(decodeURIComponent(stored.replace(/%(?![0-9a-f]{2})/gi, ''))).includes(secretOf(text)))
          t.fail(`${text} in ${place}: ${stored}`)
      }
    t.pass(`${texts.length} texts in ${Object.keys(places).length} places`)
  })

t.test('a pattern’s hint stands in everything that it finds', async (t) => {
  const others = [
    'Authorization: Basic dXNlcjpwdw==',
    '-----BEGIN RSA PRIVATE KEY-----MIIEow-----END RSA PRIVATE KEY-----',
  ]
  const texts = [...Object.values(privateTexts).flat(), ...lookAlikes, ...others].flatMap((text) => [
    ...[
      text,
      text.toUpperCase(),
      text.toLowerCase(),
      `a ${text} b`,
      encodeURIComponent(text),
      text.replaceAll(' ', '+'),
    ],
    `https://user:${text}@host/`,
  ])
  for (const { name, find, hint } of privateValues) {
    let found = 0
    for (const text of texts) {
      if (text.search(find) === -1) continue
      found++
      if (!hint.test(text)) t.fail(`${name}: ${text}`)
    }
    t.ok(found > 0, `${name}: ${found} finds`)
  }
})

t.test('the value of a private key is not stored, in whatever form the pair comes', async (t) => {
  const canary = 'Xy7canaryQ'
  const forms: Record<string, (key: string) => unknown> = {
    'an object': (key) => ({ formData: { [key]: canary } }),
    'an object in a value': (key) => ({ [key]: { value: canary, list: [canary] } }),
    'a query': (key) => `https://shop.example/p?a=1&${encodeURIComponent(key)}=${canary}`,
    'a fragment': (key) => `https://shop.example/#${encodeURIComponent(key)}=${canary}&b=1`,
    'form data': (key) => `${key}=${canary}&b=2`,
    'JSON in a text': (key) => JSON.stringify([{ [key]: canary }]),
    'a field with its name': (key) => ({ fields: [{ name: key, value: canary }] }),
  }
  for (const key of privateKeys)
    for (const [form, put] of Object.entries(forms)) {
      const stored = JSON.stringify(redact({ eventType: 'x', data: put(key) }))
      if (stored.includes(canary)) t.fail(`${key} in ${form}: ${stored}`)
    }
  t.pass(`${privateKeys.length} keys in ${Object.keys(forms).length} forms`)
})

t.test('what only looks private is stored to the last character', async (t) => {
  const data = { eventType: 'x', data: lookAlikes, nested: { list: lookAlikes.map((text) => ({ text })) } }
  const stored = redact(data) as unknown as typeof data
  for (const [i, text] of lookAlikes.entries()) {
    if (stored.data[i] !== text) t.fail(`${text} became ${stored.data[i]}`)
    if (stored.nested.list[i]?.text !== text) t.fail(`nested ${text} became ${stored.nested.list[i]?.text}`)
    const title = { page: { title: `Item ${text} | Shop` } }
    t.same(redact(title), title)
  }
  const values = { number: 1763654735088, ean: 4006381333931, price: 12.5, id: 40123456789012, flag: true, none: null }
  for (const key of lookAlikeKeys) t.same(redact({ [key]: 'kept' }), { [key]: 'kept' }, key)
  t.same(redact(values), values)
  t.ok(lookAlikes.length + lookAlikeKeys.length + Object.values(privateTexts).flat().length + privateKeys.length >= 150)
})

t.test('a private key without a value says so: null, empty and booleans stay', async (t) => {
  const event = { email: null, password: '', phone: false, token: true }
  t.same(redact(event), event)
  t.same(redact({ cvv: 123, card: 4111111111111111 }), { cvv: '[REDACTED]', card: '[REDACTED]' })
})

t.test('ids that are an e-mail address or a telephone number become the same keyed hash everywhere', async (t) => {
  const ids = redact({
    userId: 'Canary@Example.com',
    visitorId: 'canary@example.com',
    user_id: '+49 170 1234567',
    uid: 'u-17',
  })
  t.match(ids, { userId: /^[0-9a-f]{32}$/, user_id: /^[0-9a-f]{32}$/, uid: 'u-17' })
  t.same((ids as { userId: string }).userId, (ids as { visitorId: string }).visitorId)
  t.not((ids as { userId: string }).userId, (ids as { user_id: string }).user_id)
})

t.test('REDACT_MODE=hash keeps equality and nothing else; REDACT_KEYS adds keys', async (t) => {
  const hashed = redact(
    { a: 'canary@example.com', b: 'CANARY@example.com ', email: 'canary@example.com' },
    { REDACT_MODE: 'hash' },
  )
  t.match(hashed, { a: /^hash:[0-9a-f]{32}$/, email: /^hash:[0-9a-f]{32}$/ })
  t.equal((hashed as { a: string }).a, (hashed as { email: string }).email)
  t.notMatch(JSON.stringify(hashed), /canary/i)
  t.same(redact({ membershipNo: 'x', 'membership-no': 'y', member: 'z' }, { REDACT_KEYS: 'membership_no' }), {
    ...{ membershipNo: '[REDACTED]', 'membership-no': '[REDACTED]', member: 'z' },
  })
})

t.test('the presets: gdpr adds names and places, hipaa adds health; page and product names stay', async (t) => {
  const event = {
    firstName: 'C',
    street: 'S',
    zip: '1',
    diagnosis: 'D',
    page: 'p',
    message: 'm',
    product_name: 'n',
    age_group: 'g',
  }
  t.same(redact(event), event)
  const gdpr = { ...event, firstName: '[REDACTED]', street: '[REDACTED]', zip: '[REDACTED]' }
  t.same(redact(event, { PRIVACY_LEVEL: 'gdpr' }), gdpr)
  t.same(redact(event, { PRIVACY_LEVEL: 'hipaa' }), { ...gdpr, diagnosis: '[REDACTED]' })
})

t.test('an address is kept as the setting says', async (t) => {
  const cases: [string, string, string | null][] = [
    ['truncate', '203.0.113.77', '203.0.113.0'],
    ['truncate', '::ffff:203.0.113.77', '203.0.113.0'],
    ['truncate', '2001:db8:85a3::8a2e:370:7334', '2001:db8:85a3::'],
    ['truncate', '2001:0db8:0001::1%eth0', '2001:db8:1::'],
    ['truncate', '::1', '0:0:0::'],
    ['truncate', 'nonsense', null],
    ['full', '203.0.113.77', '203.0.113.77'],
    ['drop', '203.0.113.77', null],
  ]
  for (const [mode, ip, kept] of cases) t.equal(privacyOf({ IP_ADDRESS: mode }).address(ip), kept, `${mode} ${ip}`)
  t.match(privacyOf({ IP_ADDRESS: 'hash' }).address('203.0.113.77'), /^[0-9a-f]{32}$/)
  t.equal(privacyOf({ PRIVACY_LEVEL: 'hipaa' }).address('203.0.113.77'), null)
  t.same(redact({ context: { ip: '203.0.113.77' } }), { context: { ip: '203.0.113.0' } })
})

t.test('a reduced user agent keeps browser, system and major versions', async (t) => {
  const reduce = (userAgent: string) => privacyOf({ PRIVACY_LEVEL: 'gdpr' }).userAgent(userAgent)
  t.equal(
    reduce(
      'Mozilla/5.0 (Linux; Android 14; SM-S921B Build/UP1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.85 Mobile Safari/537.36',
    ),
    'Mozilla/5.0.0.0 (Linux; Android 10; K) AppleWebKit/537.0.0.0 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.0.0.0',
  )
  t.match(
    reduce('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4.1 Safari/605.1.15'),
    /Mac OS X 10\) Version\/17\.0/,
  )
})

t.test('end to end: no canary in events, rejects or logs; every look-alike as it was sent', async (t) => {
  const database = await createTestDatabase()
  const lines: string[] = []
  const note = (fields: object, message: string) => void lines.push(JSON.stringify(fields), message)
  const log = { debug: note, info: note, warn: note, error: note }
  const server = await createServer(database.db, { log, env: { WRITE_KEYS: 'key', RATE_LIMIT_COLLECT: '0' } })
  t.teardown(async () => {
    await server.close()
    await database.close()
  })
  const data = Object.values(privateTexts)
    .flat()
    .flatMap((text) => Object.values(places).map((put) => put(text)))
  for (let at = 0; at < data.length; at += 20) {
    const part = data.slice(at, at + 20)
    const page = { url: `https://a.example/?q=${encodeURIComponent(String(part[0]))}`, title: part[1] }
    await post(server, { page, events: part.map((one) => ({ eventType: 'sound', one })) })
    await post(server, { events: part.map((one) => ({ eventType: 'large', one, pad: 'x'.repeat(40_000) })) })
    await post(server, { events: part.map((one) => ({ one })) })
    await post(
      server,
      { batch: part.map((one) => ({ type: 'track', event: 'sent', properties: { one } })), writeKey: 'key' },
      {},
      '/v1/batch',
    )
    await post(server, JSON.stringify({ one: part }).slice(0, -1))
  }
  const stored = await database.db.query<{ text: string }>(
    `select to_json(e)::text as text from events_log e union all
     select code || message || coalesce(site_id, '') || convert_from(payload, 'UTF8') from rejects`,
  )
  t.ok(stored.length > data.length * 3, `${stored.length} rows`)
  const secrets = [...new Set(Object.values(privateTexts).flat().map(secretOf))]
  const shown = [...stored.map(({ text }) => text), ...lines].map((text) =>
    compact(decodeURIComponent(text.replace(/%(?![0-9a-f]{2})|%[89a-f][0-9a-f]/gi, ''))),
  )
  t.same(
    secrets.filter((secret) => shown.some((text) => text.includes(secret))),
    [],
  )

  await post(server, { events: lookAlikes.map((text) => ({ eventType: 'look-alike', text })) })
  const kept = (await rawOf(database.db, 'look-alike')) as { text: string }[]
  t.same(
    kept.map(({ text }) => text),
    lookAlikes,
  )
})

t.test('hostile texts do not hold the server up', async (t) => {
  for (const unit of [
    'a@',
    'a.',
    '0 ',
    '+1',
    '1-',
    '%40',
    'a=',
    '{"a":',
    '4111 ',
    'eyJ',
    '"a":"',
    '(',
    'DE89 ',
    'a%20',
    '//a:',
    '\\"',
  ])
    redact({ text: unit.repeat(32_768 / unit.length), ['key.'.repeat(2000)]: unit })
  t.pass('a pattern that backtracks for ever would end in the time-out of the runner')
})
