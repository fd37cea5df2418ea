import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'

/** Reads a stream to its end; its size in bytes and SHA-256 in hex. */
export const digestOf = async (stream: Readable): Promise<{ bytes: number; sha256: string }> => {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { bytes, sha256: hash.digest('hex') }
}

export const sha256OfText = (text: string): string => createHash('sha256').update(text).digest('hex')

export const digestOfFile = (file: string): Promise<{ bytes: number; sha256: string }> =>
  digestOf(createReadStream(file, { highWaterMark: 1 << 18 }))
