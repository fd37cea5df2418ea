import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'
import { type Client, clientSchema } from './client-schema.ts'

export const clientFileName = 'client.yaml'

/** Reads the client.yaml of a folder. Throws `setting_invalid` with every problem, each with its place. */
export const readClientFile = (folder: string): Client => {
  const file = path.join(folder, clientFileName)
  if (!existsSync(file))
    throw new AppError(
      'setting_invalid',
      `${file} is not there; make one with: evothesis provision new NAME --domain HOST --out ${folder}`,
    )
  return parseClient(readFileSync(file, 'utf8'), file)
}

export const parseClient = (text: string, file: string): Client => {
  const document = parseDocument(text, { uniqueKeys: true })
  const [broken] = document.errors
  if (broken) throw new AppError('setting_invalid', `${file} is not YAML: ${messageOf(broken)}`)
  const client = clientSchema.safeParse(document.toJS() ?? {})
  if (client.success) return client.data
  throw new AppError('setting_invalid', `${file} is invalid:\n${z.prettifyError(client.error)}`)
}
