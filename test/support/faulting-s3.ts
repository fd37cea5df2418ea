import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** What goes wrong at an S3 API: an answer, or what happens to the connection. */
export const s3Faults = [
  '403',
  '404-bucket',
  '429',
  '500',
  '503',
  'reset',
  'slow',
  '200-with-error',
  'truncated',
] as const
export type S3Fault = (typeof s3Faults)[number]
/** The requests of a delivery. `manifest` is the single PUT of a manifest. */
export const s3Steps = ['create', 'part', 'complete', 'put', 'head', 'get', 'list', 'manifest'] as const
export type S3Step = (typeof s3Steps)[number]

export type FaultingS3 = {
  endpoint: string
  /** From now on these requests to this bucket fail in this way; undefined lifts the fault. */
  break(fault: { bucket: string; step: S3Step; fault: S3Fault } | undefined): void
  /** How often the fault struck. */
  struck(): number
  /** Uploads in parts that are neither completed nor aborted, as bucket/key. */
  dangling(): string[]
  close(): Promise<void>
}

/** "Slow" is longer than the client under test waits. */
const slowMs = 6_000

const stepOf = (method: string, url: URL): S3Step | undefined => {
  const isObject = url.pathname.split('/').filter(Boolean).length > 1
  if (method === 'POST' && url.searchParams.has('uploads')) return 'create'
  if (method === 'PUT' && url.searchParams.has('partNumber')) return 'part'
  if (method === 'POST' && url.searchParams.has('uploadId')) return 'complete'
  if (method === 'PUT' && url.pathname.includes('/manifests/')) return 'manifest'
  if (method === 'PUT' && isObject) return 'put'
  if (method === 'HEAD' && isObject) return 'head'
  if (method === 'GET' && isObject) return 'get'
  if (method === 'GET') return 'list'
  return undefined
}

const errorBody = (code: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>planted</Message></Error>`
const answers: Partial<Record<S3Fault, [status: number, code: string]>> = {
  '403': [403, 'AccessDenied'],
  '404-bucket': [404, 'NoSuchBucket'],
  '429': [429, 'TooManyRequests'],
  '500': [500, 'InternalError'],
  '503': [503, 'SlowDown'],
  '200-with-error': [200, 'InternalError'],
}

/**
 * A proxy before a real S3 API, speaking plain HTTP, that makes chosen requests fail in a chosen way. s3rver knows neither
 * AbortMultipartUpload nor ListMultipartUploads, so the proxy keeps the open uploads and answers these two itself.
 */
export const startFaultingS3 = async (target: string): Promise<FaultingS3> => {
  let broken: Parameters<FaultingS3['break']>[0]
  let count = 0
  const uploads = new Map<string, { bucket: string; key: string }>()
  const agent = new http.Agent({ keepAlive: true })
  const upstream = new URL(target)
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', target)
    const bucket = url.pathname.split('/')[1]
    const strikes = broken && bucket === broken.bucket && stepOf(request.method ?? '', url) === broken.step
    const fault = strikes ? broken?.fault : undefined
    if (fault !== undefined) count++
    const answer = fault === undefined ? undefined : answers[fault]
    if (fault === 'reset') return void request.socket.destroy()
    if (answer) {
      request.resume()
      request.once('end', () => {
        response.writeHead(answer[0], { 'content-type': 'application/xml' })
        response.end(request.method === 'HEAD' ? undefined : errorBody(answer[1]))
      })
      return
    }
    const uploadId = url.searchParams.get('uploadId')
    if (request.method === 'DELETE' && uploadId) {
      uploads.delete(uploadId)
      return void response.writeHead(204).end()
    }
    if (request.method === 'GET' && url.searchParams.has('uploads')) {
      const open = [...uploads].filter(([, upload]) => upload.bucket === bucket)
      const listed = open
        .map(([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`)
        .join('')
      return void response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(`<?xml version="1.0"?><ListMultipartUploadsResult>${listed}</ListMultipartUploadsResult>`)
    }
    const note = (status: number, body: string) => {
      const step = stepOf(request.method ?? '', url)
      const [, inBucket = '', ...key] = url.pathname.split('/')
      const created = /<UploadId>([^<]+)</.exec(body)?.[1]
      if (step === 'create' && created)
        uploads.set(created, { bucket: inBucket, key: decodeURIComponent(key.join('/')) })
      if (step === 'complete' && status === 200 && uploadId && !body.includes('<Error>')) uploads.delete(uploadId)
    }
    const forward = () => {
      const onward = http.request(
        {
          ...{ host: upstream.hostname, port: upstream.port, agent, path: request.url, method: request.method },
          headers: request.headers,
        },
        (answered) => {
          response.writeHead(answered.statusCode ?? 502, answered.headers)
          if (request.method === 'POST') {
            let body = ''
            answered.on('data', (chunk: Buffer) => {
              body += chunk.toString()
            })
            answered.on('end', () => note(answered.statusCode ?? 502, body))
          }
          if (fault !== 'truncated') return void answered.pipe(response)
          // The first half of what was promised, then the connection is cut.
          const promised = Number(answered.headers['content-length'] ?? 0)
          let passed = 0
          answered.on('data', (chunk: Buffer) => {
            const rest = (promised >> 1) - passed
            passed += chunk.length
            response.write(chunk.subarray(0, Math.max(0, rest)))
            if (passed >= promised >> 1) request.socket.destroy()
          })
          answered.on('end', () => request.socket.destroy())
        },
      )
      onward.on('error', () => request.socket.destroy())
      request.on('aborted', () => onward.destroy())
      request.pipe(onward)
    }
    if (fault === 'slow') {
      const timer = setTimeout(forward, slowMs)
      request.socket.once('close', () => clearTimeout(timer))
    } else forward()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    break(fault) {
      broken = fault
      count = 0
    },
    struck: () => count,
    dangling: () => [...uploads.values()].map(({ bucket, key }) => `${bucket}/${key}`),
    async close() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
