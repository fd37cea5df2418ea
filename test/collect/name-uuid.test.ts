import t from 'tap'
import { v5 } from 'uuid'
import { idCharsMax } from '../../src/collect/limits.ts'
import { createNameUuid } from '../../src/collect/name-uuid.ts'

const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'

t.test('the published example', async (t) => {
  // RFC 9562, appendix A.4
  t.equal(createNameUuid(dns)('www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2')
})

t.test('agrees with another implementation, name after name', async (t) => {
  const uuidOf = createNameUuid(dns)
  const names = [
    '',
    'a',
    'é',
    '😀',
    'p0abb1ac66c9b0f8396d48ab6-6',
    '漢'.repeat(idCharsMax),
    'x'.repeat(idCharsMax),
    'b',
  ]
  for (let i = 0; i < 500; i++) names.push(`event ${i * 7919}`)
  for (const name of names) t.equal(uuidOf(name), v5(name, dns))
})
