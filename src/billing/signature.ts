import { createHmac, randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'
import { type Secret, secret } from '../secret.ts'

/** Standard Webhooks 1.0.0, "signature scheme": symmetric keys are 24 to 64 bytes. */
const keyBytesMin = 24
const keyBytesMax = 64
const prefix = 'whsec_'

/**
 * The key of a secret `whsec_<base64>`. Throws `setting_invalid` for anything else, without repeating it: a secret in an
 * error message is a secret no more.
 */
const keyOf = (text: Secret): Buffer => {
  const encoded = text.reveal().trim()
  const base64 = encoded.startsWith(prefix) ? encoded.slice(prefix.length) : ''
  const key = Buffer.from(base64, 'base64')
  const isWhole = key.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '')
  if (isWhole && key.length >= keyBytesMin && key.length <= keyBytesMax) return key
  throw new AppError(
    'setting_invalid',
    `A webhook secret must be ${prefix} and the base64 of ${keyBytesMin} to ${keyBytesMax} bytes; make one with: evothesis webhooks rotate`,
  )
}

/** Whether a secret can sign. */
export const checkWebhookSecret = (text: Secret): void => void keyOf(text)

export const createWebhookSecret = (): Secret => secret(`${prefix}${randomBytes(32).toString('base64')}`)

/**
 * The value of `webhook-signature`: one `v1,<base64>` for each secret, the newest first, so that a receiver verifies with
 * the old key or the new one while a rotation is under way. Signed are id, time and the exact bytes of the body, joined by
 * dots. Source: Standard Webhooks 1.0.0.
 */
export const signWebhook = (
  secrets: readonly Secret[],
  message: { id: string; timestampSeconds: number; body: string },
): string => {
  const signedText = `${message.id}.${message.timestampSeconds}.${message.body}`
  return secrets.map((one) => `v1,${createHmac('sha256', keyOf(one)).update(signedText).digest('base64')}`).join(' ')
}
