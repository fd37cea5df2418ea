import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stringify } from 'yaml'
import { AppError } from '../errors.ts'
import { clientFileName, parseClient } from './client-file.ts'
import { applianceFolder, writeFolder } from './folder.ts'
import { listReleases, loadRelease } from './release.ts'
import { render } from './render.ts'

export type NewClient = {
  name: string
  domain: string
  out: string
  /** Public keys of age, or files that hold a key pair. */
  recipients: readonly string[]
  /** Public SSH keys, or files that hold one. */
  sshKeys: readonly string[]
  clientBucket?: string
  backupBucket?: string
  region?: string
  email?: string
}

/** Writes a client.yaml with what was given, and renders it. Throws `conflict` where one is, `setting_invalid`. */
export const newClient = (given: NewClient): string => {
  const file = path.join(given.out, clientFileName)
  if (existsSync(file))
    throw new AppError(
      'conflict',
      `${file} is there already; change it, and run: evothesis provision render ${given.out}`,
    )
  const region = given.region === undefined ? {} : { region: given.region }
  const text = [
    `# ${given.name}. Every key is in docs/client-yaml.md; change what you need, then run: evothesis provision render`,
    stringify(
      {
        ...{ version: 1, name: given.name, domain: given.domain, release: listReleases().at(-1) },
        ...(given.sshKeys.length > 0 && { vm: { ssh_keys: given.sshKeys.map(readSshKey) } }),
        ...(given.email !== undefined && { tls: { email: given.email } }),
        ...(given.clientBucket !== undefined && { client_bucket: { bucket: given.clientBucket, ...region } }),
        ...(given.backupBucket !== undefined && { backup_bucket: { bucket: given.backupBucket, ...region } }),
        backups: { recipients: given.recipients.map(readRecipient) },
      },
      { lineWidth: 0 },
    ),
  ].join('\n')
  const client = parseClient(text, file)
  const files = render(client, loadRelease(client.release))
  mkdirSync(given.out, { recursive: true })
  writeFileSync(file, text, { flag: 'wx' })
  writeFolder(applianceFolder(given.out), files)
  return file
}

const readRecipient = (given: string): string => {
  if (given.startsWith('age1')) return given
  const recipient = /\b(age1[02-9a-z]+)\b/.exec(readText(given))?.[1]
  if (recipient === undefined) throw new AppError('usage_invalid', `${given} names no public key of age (age1…).`)
  return recipient
}

const readSshKey = (given: string): string => (/^(ssh|ecdsa|sk)-/.test(given) ? given : readText(given).trim())

const readText = (file: string): string => {
  if (!existsSync(file)) throw new AppError('usage_invalid', `${file} is neither a key nor a file that holds one.`)
  return readFileSync(file, 'utf8')
}
