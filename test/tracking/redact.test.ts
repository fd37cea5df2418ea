import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { redactedJson, redactText } from '../../tracking/pixel/redact.ts'

const redacted = '[REDACTED]'
const roundTrip = (value: unknown): unknown => JSON.parse(redactedJson(value))

t.test('private values are replaced wherever they stand', async (t) => {
  for (const value of [
    'jane.doe+shop@example.co.uk',
    'jane%40example.com',
    '+49 170 1234567',
    '+1 (555) 010-1234',
    '%2B4917012345678',
    '(555) 123-4567',
    '555-123-4567',
    '0170 1234567',
    '123-45-6789',
    '4111111111111111',
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '4111%201111%201111%201111',
    '378282246310005',
  ]) {
    t.equal(redactText(`call ${value} now`), `call ${redacted} now`)
    t.same(roundTrip({ note: [value] }), { note: [redacted] })
  }
  t.same(roundTrip({ amount: 4111111111111111 }), { amount: redacted })
})

t.test('what only looks alike is kept', async (t) => {
  for (const value of [
    '2026-11-20T10:00:00.000Z',
    '1763661234567',
    '4006381333931',
    '2024-10-12345',
    '/products/12345-red-shoes',
    '48.137154, 11.576124',
    '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
    '1,234,567.89',
    'version 1.2.3',
  ])
    t.equal(redactText(value), value)
  t.same(roundTrip({ at: 1763661234567, price: 12.5 }), { at: 1763661234567, price: 12.5 })
})

t.test('values of private names are replaced, whatever they look like', async (t) => {
  for (const name of [
    'password',
    'userEmail',
    'e-mail',
    'phone_number',
    'cardNumber',
    'authToken',
    'firstName',
    'street1',
    'cvc',
    'ssn',
  ])
    t.same(roundTrip({ [name]: 'x', deep: { [name]: ['y'] } }), { [name]: redacted, deep: { [name]: redacted } }, name)
  for (const name of ['page', 'message', 'product_name', 'name', 'author', 'item_name', 'title'])
    t.same(roundTrip({ [name]: 'x' }), { [name]: 'x' }, name)
  t.same(roundTrip({ emailSubscriber: true }), { emailSubscriber: true })
})

t.test('the text is ASCII and reads back as it was', async (t) => {
  const value = { text: 'Grüße 👟 "quoted" \\ \n \u2028', none: null, list: [1, null, { a: false }], at: new Date(0) }
  const text = redactedJson(value)
  t.match(text, /^[ -~]+$/)
  t.same(JSON.parse(text), { ...value, at: '1970-01-01T00:00:00.000Z' })
  t.doesNotThrow(() => JSON.parse(redactedJson({ lone: '\ud83d', not: Number.NaN })))
})

t.test('a toJSON on arrays changes nothing', async (t) => {
  const prototype = Array.prototype as { toJSON?: () => string }
  t.teardown(() => delete prototype.toJSON)
  prototype.toJSON = () => 'broken'
  const text = redactedJson({ items: [{ id: 1 }, [2]] })
  delete prototype.toJSON
  t.equal(text, '{"items":[{"id":1},[2]]}')
})

t.test('text is cut only after it was looked at', async (t) => {
  const text = redactText(`${'x '.repeat(995)}jane.doe@example.com and more`)
  t.notMatch(text, /jane/)
  t.ok(text.length <= 2000)
})

/** A search with backtracking took 25 s for one of these, which a link to a page can hold; all together take milliseconds. */
const hostile = ['@', 'a@', 'a%40', 'x', '0', '+1 ', '1 ', '4111-', '(555) ', '0123 ', 'a.', '%2b1']
const searchMsMax = 20_000

t.test('no text that a link or a page can hold keeps the search busy', async (t) => {
  const redact = path.join(import.meta.dirname, '../../tracking/pixel/redact.ts')
  const program = `import('${redact}').then(({ redactText }) => {
    console.log(${JSON.stringify(hostile)}.map((piece) => redactText(piece.repeat(4000))).length)
  })`
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = promisify(execFile)(process.execPath, ['--import=tsx', '-e', program], { env, timeout: searchMsMax })
  t.equal((await child).stdout.trim(), String(hostile.length))
})
