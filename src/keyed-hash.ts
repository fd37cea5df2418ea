import { createHmac, createSecretKey, hash } from 'node:crypto'
import type { Secret } from './secret.ts'

/** HMAC-SHA-256 under the client's HASH_KEY: the same on all its nodes, worthless to anybody else. */
export type KeyedHash = {
  /** 128 bits in hexadecimal. `purpose` keeps hashes of one kind from matching those of another. */
  text(purpose: string, value: string): string
  /** The same 128 bits in the form of a uuid, which is how the database stores them in 16 bytes. */
  uuid(purpose: string, value: string): string
}

export const createKeyedHash = (hashKey: Secret): KeyedHash => {
  const key = createSecretKey(hashKey.reveal(), 'utf8')
  const text = (purpose: string, value: string): string =>
    createHmac('sha256', key).update(`${purpose}\0${value}`).digest('hex').slice(0, 32)
  return { text, uuid: (purpose, value) => uuidOf(text(purpose, value)) }
}

/** SHA-256 of texts, cut to 128 bits, in the form of a uuid. */
export const digestOf = (texts: readonly string[]): string =>
  uuidOf(hash('sha256', texts.join('\n'), 'hex').slice(0, 32))

const uuidOf = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
