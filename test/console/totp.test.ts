import t from 'tap'
import { base32, codeOf, matchCode, stepAt, totpAddress } from '../../src/console/totp.ts'

t.test('codes are those of RFC 6238, appendix B', (t) => {
  const key = Buffer.from('12345678901234567890')
  for (const [seconds, code] of [
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ] as const)
    t.equal(codeOf(key, stepAt(seconds * 1000), 8), code, `at ${seconds}`)
  t.end()
})

t.test('and of RFC 4226, appendix D', (t) => {
  const key = Buffer.from('12345678901234567890')
  const codes = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489']
  t.same(
    codes.map((_code, step) => codeOf(key, step)),
    codes,
  )
  t.end()
})

t.test('a code counts a step early or late, once, and no other', (t) => {
  const key = Buffer.from('12345678901234567890')
  const nowMs = 1111111111_000
  const step = stepAt(nowMs)
  for (const around of [-1, 0, 1]) t.equal(matchCode(key, codeOf(key, step + around), nowMs, 0), step + around)
  for (const around of [-2, 2]) t.equal(matchCode(key, codeOf(key, step + around), nowMs, 0), undefined)
  t.equal(matchCode(key, codeOf(key, step), nowMs, step), undefined, 'used')
  for (const wrong of ['', '0', '00000', '14050471', 'äöüß']) t.equal(matchCode(key, wrong, nowMs, 0), undefined)
  t.end()
})

t.test('secrets are base32 of RFC 4648', (t) => {
  for (const [text, coded] of [
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ] as const)
    t.equal(base32(Buffer.from(text)), coded)
  t.match(
    totpAddress(Buffer.from('foobar'), 'Evothesis', 'Jane & co'),
    /^otpauth:\/\/totp\/Evothesis%3AJane%20%26%20co\?secret=MZXW6YTBOI&/,
  )
  t.end()
})
