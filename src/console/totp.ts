import { createHmac, timingSafeEqual } from 'node:crypto'

const stepSeconds = 30
const digits = 6
/** Clocks differ, and people type: the code before and the one after count, too (RFC 6238, 5.2). */
const stepsAround = [0, -1, 1]

/** The time step of an instant (RFC 6238, 4.2). */
export const stepAt = (nowMs: number): number => Math.floor(nowMs / 1000 / stepSeconds)

/** The code of a time step: HOTP over HMAC-SHA-1, which is what authenticators take (RFC 4226, 5.3). */
export const codeOf = (key: Buffer, step: number, length = digits): string => {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hash = createHmac('sha1', key).update(counter).digest()
  const offset = hash.readUInt8(hash.length - 1) & 0xf
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 10 ** length).padStart(length, '0')
}

/** The step whose code was sent, if it is one that counts now and comes after `lastStep`: each code counts once. */
export const matchCode = (key: Buffer, sent: string, nowMs: number, lastStep: number): number | undefined =>
  stepsAround
    .map((around) => stepAt(nowMs) + around)
    .find((step) => step > lastStep && sent.length === digits && isSame(codeOf(key, step), sent))

const isSame = (a: string, b: string): boolean => {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 base32 without padding, as authenticators take a secret. */
export const base32 = (bytes: Buffer): string => {
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => alphabet[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** The address that an authenticator takes as a QR code or link. */
export const totpAddress = (key: Buffer, issuer: string, account: string): string =>
  `otpauth://totp/${encodeURIComponent(`${issuer}:${account}`)}?secret=${base32(key)}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${digits}&period=${stepSeconds}`
