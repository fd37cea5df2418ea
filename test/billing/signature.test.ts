import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { createWebhookSecret, signWebhook } from '../../src/billing/signature.ts'
import { secret } from '../../src/secret.ts'
import { seedOf } from '../support/random.ts'

const published = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampSeconds: 1614265330,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
}

t.test('the published vector of Standard Webhooks comes out', async (t) => {
  t.equal(signWebhook([secret(published.secret)], published), published.signature)
})

t.test('any text signed with any key is accepted by the npm verifier, and refused when a byte differs', async (t) => {
  const check = () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 24, max: 64 }), (text, keyBytes) => {
        const key = `whsec_${randomBytes(keyBytes).toString('base64')}`
        const body = JSON.stringify({ text })
        const timestampSeconds = Math.floor(Date.now() / 1000)
        const headers = {
          'webhook-id': 'evt_1',
          'webhook-timestamp': String(timestampSeconds),
          'webhook-signature': signWebhook([secret(key)], { id: 'evt_1', timestampSeconds, body }),
        }
        const verifier = new Webhook(key)
        const accepted = verifier.verify(body, headers) as { text: string }
        if (accepted.text !== (JSON.parse(body) as { text: string }).text) return false
        try {
          verifier.verify(`${body} `, headers)
          return false
        } catch {
          return true
        }
      }),
      { seed: seedOf(t) },
    )
  t.doesNotThrow(check)
})

t.test('with two keys, a receiver that knows only the old one, or only the new one, accepts', async (t) => {
  const [older, newer] = [createWebhookSecret(), createWebhookSecret()]
  const timestampSeconds = Math.floor(Date.now() / 1000)
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signWebhook([newer, older], { id: 'evt_1', timestampSeconds, body: '{}' }),
  }
  t.equal(headers['webhook-signature'].split(' ').length, 2)
  for (const one of [older, newer]) t.strictSame(new Webhook(one.reveal()).verify('{}', headers), {})
})

t.test('a secret that cannot sign is refused, and not repeated in the message', async (t) => {
  const text = (bytes: number) => `whsec_${randomBytes(bytes).toString('base64')}`
  for (const bad of ['', 'whsec_', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_not base64 at all!', text(23), text(65)])
    try {
      signWebhook([secret(bad)], published)
      t.fail(`signed with ${bad}`)
    } catch (error) {
      t.match(error, { code: 'setting_invalid' })
      if (bad.length > 6) t.notMatch(String(error), bad)
    }
  t.notMatch(inspect(createWebhookSecret()), 'whsec_')
})
