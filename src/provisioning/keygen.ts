import { writeFileSync } from 'node:fs'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { AppError, messageOf } from '../errors.ts'

/**
 * Makes a key pair of age: the private key goes to a new file that only its owner may read, in the form of age-keygen; the
 * public key is the answer. Throws `conflict` for a file that is there: it may be the only key to a backup; `usage_invalid`
 * for one that cannot be written.
 */
export const keygen = async (file: string): Promise<string> => {
  const identity = await generateX25519Identity()
  const recipient = await identityToRecipient(identity)
  try {
    writeFileSync(file, `# public key: ${recipient}\n${identity}\n`, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new AppError('usage_invalid', `${file} cannot be written: ${messageOf(cause)}`, { cause })
    throw new AppError('conflict', `${file} is there already; it may be the only key to a backup. Choose another name.`)
  }
  return recipient
}
