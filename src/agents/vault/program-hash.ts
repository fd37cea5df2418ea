import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { producerVersion } from '../../types.ts'

let known: string | undefined

/**
 * A hash of this program as far as it makes notes: another one renders every note anew. Of the files themselves, so that
 * nobody has to remember to count a version up.
 */
export const programHash = (): string => {
  if (known !== undefined) return known
  const own = fileURLToPath(import.meta.url)
  const room = path.join(path.dirname(own), '..')
  const hash = createHash('sha256').update(producerVersion)
  for (const file of readdirSync(room, { recursive: true, encoding: 'utf8' }).sort())
    if (path.extname(file) === path.extname(own) && !file.endsWith('.d.ts'))
      hash.update(`\n${file}\n`).update(readFileSync(path.join(room, file)))
  known = hash.digest('hex').slice(0, 16)
  return known
}
