import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { AppError } from '../errors.ts'
import { bodyBytesMax } from './limits.ts'

/** Smaller bodies are decompressed on the spot: a trip to the thread pool costs more than the work. */
const inlineBytesMax = 16_384

type Inflate = { now: (body: Buffer) => Buffer; later: (body: Buffer) => Promise<Buffer> }
const options = { maxOutputLength: bodyBytesMax }
const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)
const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate)
const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw)
const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress)
const ungzip: Inflate = { now: (body) => zlib.gunzipSync(body, options), later: (body) => gunzip(body, options) }
const unbrotli: Inflate = {
  now: (body) => zlib.brotliDecompressSync(body, options),
  later: (body) => brotli(body, options),
}
const undeflate: Inflate = {
  now: (body) => (hasZlibHeader(body) ? zlib.inflateSync(body, options) : zlib.inflateRawSync(body, options)),
  later: (body) => (hasZlibHeader(body) ? inflate(body, options) : inflateRaw(body, options)),
}
const encodings: Record<string, Inflate> = { gzip: ungzip, 'x-gzip': ungzip, deflate: undeflate, br: unbrotli }

/**
 * Reads a request's body, whatever its content type, as text; decompresses gzip, deflate and br. Both sizes have a limit
 * and the decompressor stops there, so a bomb costs 8 MB at most. `hold` is told the bytes as they arrive and may throw.
 * Errors: body_too_large, body_unreadable, body_encoding_unsupported, and what `hold` throws.
 */
export const readBody = async (
  stream: Readable,
  contentEncoding: string | undefined,
  hold: (bytes: number) => void,
): Promise<string> => {
  const encoding = (contentEncoding ?? 'identity').trim().toLowerCase()
  const decompress = encodings[encoding]
  if (!decompress && encoding !== 'identity' && encoding !== '')
    throw new AppError('body_encoding_unsupported', 'Send the body as gzip, deflate, br or without Content-Encoding.')
  const sent = await readBytes(stream, hold)
  if (!decompress) return sent.toString('utf8')
  const body = await decompressed(sent, decompress)
  hold(body.length)
  return body.toString('utf8')
}

const readBytes = (stream: Readable, hold: (bytes: number) => void): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const fail = (error: unknown) => {
      stream.removeAllListeners('data')
      // The rest is read and dropped, so that the sender gets its answer instead of a broken connection.
      stream.resume()
      reject(error)
    }
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > bodyBytesMax) return fail(tooLarge())
      try {
        hold(chunk.length)
      } catch (error) {
        return fail(error)
      }
      chunks.push(chunk)
    })
    stream.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    stream.once('error', (cause) => reject(new AppError('body_unreadable', 'The body broke off.', { cause })))
    stream.once('close', () => {
      if (!stream.readableEnded) reject(new AppError('body_unreadable', 'The body broke off.'))
    })
  })

const decompressed = async (body: Buffer, decompress: Inflate): Promise<Buffer> => {
  try {
    return body.length <= inlineBytesMax ? decompress.now(body) : await decompress.later(body)
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge()
    throw new AppError('body_unreadable', 'The body cannot be decompressed.', { cause })
  }
}

const tooLarge = (): AppError =>
  new AppError('body_too_large', `The body is larger than ${bodyBytesMax} bytes, compressed or not.`)

/** RFC 9110 says deflate is zlib's format; some senders leave its two header bytes out. */
const hasZlibHeader = (body: Buffer): boolean =>
  body.length >= 2 && ((body[0] ?? 0) & 0x0f) === 8 && (((body[0] ?? 0) << 8) | (body[1] ?? 0)) % 31 === 0
