import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { Decrypter, Encrypter } from 'age-encryption'
import { AppError, messageOf } from '../errors.ts'

/** Digest of what passes through. */
const counting = () => {
  const hash = createHash('sha256')
  let bytes = 0
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  return { through, digest: () => ({ bytes, sha256: hash.digest('hex') }) }
}

export type Encrypted = { bytes: number; sha256: string; plain_bytes: number; plain_sha256: string }

/**
 * Encrypts a stream for all recipients into a file, in the format of age: any one of their private keys reads it, and
 * the program `age` does so without us. Throws the stream's own failure.
 */
export const encryptTo = async (file: string, plain: Readable, recipients: readonly string[]): Promise<Encrypted> => {
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  const [before, after] = [counting(), counting()]
  const failed = pipeline(plain, before.through)
  // It fails through the stream that is read below, too; without a listener here it would end the process.
  failed.catch(() => undefined)
  const encrypted = await encrypter.encrypt(Readable.toWeb(before.through) as globalThis.ReadableStream<Uint8Array>)
  await pipeline(Readable.fromWeb(encrypted as ReadableStream), after.through, createWriteStream(file, { mode: 0o600 }))
  await failed
  const [inside, outside] = [before.digest(), after.digest()]
  return { ...outside, plain_bytes: inside.bytes, plain_sha256: inside.sha256 }
}

/**
 * Decrypts a file with a private key. Answers what it held. Throws `backup_failed` when the key is none of its recipients', or
 * anything was changed: every piece is authenticated, and a file that was cut short has no end.
 */
export const decryptTo = async (
  file: string,
  plain: string,
  identities: readonly string[],
): Promise<{ bytes: number; sha256: string }> => {
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  const through = counting()
  try {
    const source = Readable.toWeb(createReadStream(file)) as globalThis.ReadableStream<Uint8Array>
    const decrypted = await decrypter.decrypt(source)
    await pipeline(
      Readable.fromWeb(decrypted as ReadableStream),
      through.through,
      createWriteStream(plain, { mode: 0o600 }),
    )
  } catch (cause) {
    throw new AppError('backup_failed', `The backup cannot be decrypted: ${messageOf(cause)}`, { cause })
  }
  return through.digest()
}

/** The private keys of a key file, as age-keygen or `provision keygen` writes it; `-` is standard input. Throws `usage_invalid`. */
export const readIdentities = (file: string): string[] => {
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new AppError('usage_invalid', `${file} cannot be read: ${messageOf(cause)}`, { cause })
  }
  const identities = text.match(/^AGE-SECRET-KEY-\S+$/gm)
  if (!identities) throw new AppError('usage_invalid', `${file} holds no private key of age (AGE-SECRET-KEY-…).`)
  return identities
}
