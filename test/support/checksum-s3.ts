import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'

/**
 * An S3 API that checks and keeps checksums as Amazon's does, which s3rver does not: SHA-256 (composite for parts), CRC-32 and
 * CRC-64/NVME of whole objects, `If-None-Match: *`. In memory, one bucket, no credentials.
 */
export type ChecksumS3 = {
  endpoint: string
  objects: Map<string, Stored>
  /** Requests as `PUT key` with the names of their checksums. */
  seen: string[]
  /** Changes bytes of every object from now on, after they were checked: a disk that lies. */
  lie(on: boolean): void
  close(): Promise<void>
}
type Stored = { body: Buffer; checksums: Record<string, string>; type: 'FULL_OBJECT' | 'COMPOSITE' }

/** CRC-64/NVME bit by bit, from its definition (reflected, polynomial 0xAD93D23594C93659): not the code under test. */
export const crc64nvme = (bytes: Buffer): string => {
  let crc = 0xffffffffffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n
  }
  const value = Buffer.alloc(8)
  value.writeBigUInt64BE(crc ^ 0xffffffffffffffffn)
  return value.toString('base64')
}
const crc32Text = (bytes: Buffer): string => {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(bytes))
  return value.toString('base64')
}
const sums: Record<string, (bytes: Buffer) => string> = {
  'x-amz-checksum-sha256': (bytes) => createHash('sha256').update(bytes).digest('base64'),
  'x-amz-checksum-crc32': crc32Text,
  'x-amz-checksum-crc64nvme': crc64nvme,
}

export const startChecksumS3 = async (): Promise<ChecksumS3> => {
  const objects = new Map<string, Stored>()
  const uploads = new Map<string, { key: string; algorithm: string; parts: Map<number, Buffer> }>()
  const seen: string[] = []
  let lies = false
  const store = (key: string, body: Buffer, checksums: Record<string, string>, type: Stored['type']) => {
    const kept = Buffer.from(body)
    if (lies) kept[kept.length >> 1] = (kept[kept.length >> 1] ?? 0) ^ 1
    // What a lying disk hands out is summed up by the server anew.
    const own = Object.fromEntries(Object.keys(checksums).map((name) => [name, sums[name]?.(kept) ?? '']))
    objects.set(key, { body: kept, checksums: lies && type === 'FULL_OBJECT' ? own : checksums, type })
  }

  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const url = new URL(request.url ?? '/', 'http://s3')
    const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'))
    const sent = Object.keys(sums).filter((name) => request.headers[name] !== undefined)
    seen.push([request.method, url.searchParams.get('partNumber') ?? '', key, ...sent].filter(Boolean).join(' '))
    const answer = (status: number, text = '', headers: Record<string, string> = {}) =>
      void response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(text)
    const refuse = (status: number, code: string) => answer(status, `<Error><Code>${code}</Code></Error>`)
    const isWrong = (bytes: Buffer) => sent.some((name) => sums[name]?.(bytes) !== request.headers[name])
    const uploadId = url.searchParams.get('uploadId')
    const upload = uploadId === null ? undefined : uploads.get(uploadId)

    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      const id = `u${uploads.size + 1}`
      const algorithm = `x-amz-checksum-${String(request.headers['x-amz-checksum-algorithm'] ?? '').toLowerCase()}`
      uploads.set(id, { key, algorithm, parts: new Map() })
      return answer(200, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    }
    if (request.method === 'PUT' && upload) {
      if (isWrong(body)) return refuse(400, 'BadDigest')
      upload.parts.set(Number(url.searchParams.get('partNumber')), body)
      return answer(200, '', { etag: '"part"' })
    }
    if (request.method === 'POST' && upload) {
      const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, part]) => part)
      const whole = Buffer.concat(parts)
      if (isWrong(whole)) return refuse(400, 'BadDigest')
      if (request.headers['if-none-match'] === '*' && objects.has(key)) return refuse(412, 'PreconditionFailed')
      const isSha = upload.algorithm === 'x-amz-checksum-sha256'
      const digests = Buffer.concat(parts.map((part) => createHash('sha256').update(part).digest()))
      const composite = `${createHash('sha256').update(digests).digest('base64')}-${parts.length}`
      const sum = isSha ? composite : sums[upload.algorithm]?.(whole)
      store(key, whole, sum === undefined ? {} : { [upload.algorithm]: sum }, isSha ? 'COMPOSITE' : 'FULL_OBJECT')
      return answer(200, '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
    }
    if (request.method === 'PUT') {
      if (isWrong(body)) return refuse(400, 'BadDigest')
      if (request.headers['if-none-match'] === '*' && objects.has(key)) return refuse(412, 'PreconditionFailed')
      store(key, body, Object.fromEntries(sent.map((name) => [name, String(request.headers[name])])), 'FULL_OBJECT')
      return answer(200, '', { etag: '"x"' })
    }
    const found = objects.get(key)
    if (!found) return answer(404, request.method === 'HEAD' ? '' : '<Error><Code>NoSuchKey</Code></Error>')
    const headers = {
      'content-length': String(found.body.length),
      ...found.checksums,
      'x-amz-checksum-type': found.type,
    }
    response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : found.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    seen,
    lie(on) {
      lies = on
    },
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
