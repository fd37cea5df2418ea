import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AppError, isAppError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { DestinationName } from '../types.ts'
import { type Crc, crcField, crcOfFile, isCrc, md5OfFile, type UploadChecksum } from './checksum.ts'
import type { Destination, Evidence, LocalFile } from './destination.ts'
import { uploadMultipart } from './multipart.ts'
import { s3Error, statusOf } from './s3-error.ts'
import { digestOf } from './sha256.ts'

export type S3Options = {
  bucket: string
  /** Without slashes at its ends; '' for none. */
  prefix: string
  region: string
  endpoint: string | undefined
  forcePathStyle: boolean
  /** Without keys, those of the AWS environment or profile are used. */
  accessKey: Secret | undefined
  secretKey: Secret | undefined
  sse: 'AES256' | 'aws:kms' | undefined
  sseKmsKeyId: string | undefined
  /** What the server checks an upload by. Evidence never depends on it: what is not confirmed is read back. */
  checksum?: UploadChecksum
  /** Up to this size an object is sent in one request; above it in parts. */
  singlePutBytesMax?: number
  /** How long one request may take, in milliseconds. */
  requestMsMax?: number
}

/** Up to this size an object is sent in one request, whose SHA-256 the server checks. */
const singlePutBytesMax = 64 * 1024 * 1024
const requestMsMax = 120_000
const connectMsMax = 10_000
/** A sweep reads so many pages of a listing at most; what is left is swept at the next one. */
const sweepPagesMax = 100

/**
 * An S3 bucket, or a compatible one, as a destination. Retries are the delivery's (its ledger counts them), so the SDK's
 * are off. Evidence is the SHA-256 or the CRC that the server keeps of what it stores; where it gives none, the object is read
 * back and hashed.
 * An ETag is no checksum.
 */
export const createS3Destination = (name: DestinationName, options: S3Options): Destination => {
  const { bucket, prefix, checksum = 'sha256' } = options
  const s3 = new S3Client({
    region: options.region,
    ...(options.endpoint && { endpoint: options.endpoint }),
    forcePathStyle: options.forcePathStyle,
    ...(options.accessKey &&
      options.secretKey && {
        credentials: { accessKeyId: options.accessKey.reveal(), secretAccessKey: options.secretKey.reveal() },
      }),
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      requestTimeout: options.requestMsMax ?? requestMsMax,
      connectionTimeout: connectMsMax,
      throwOnRequestTimeout: true,
    },
  })
  const place = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
  const absolute = (key: string): string => (prefix === '' ? key : `${prefix}/${key}`)
  const relative = (key: string): string => (prefix === '' ? key : key.slice(prefix.length + 1))
  const encryption = {
    ...(options.sse && { ServerSideEncryption: options.sse }),
    ...(options.sseKmsKeyId && { SSEKMSKeyId: options.sseKmsKeyId }),
  }

  /** As the server says it: base64, with `-N` where it was sent in N parts. */
  const head = async (
    key: string,
  ): Promise<
    | {
        bytes: number
        sha256: string | undefined
        crc: { kind: Crc; value: string } | undefined
        tag: string | undefined
      }
    | undefined
  > => {
    try {
      const found = await s3.send(
        new HeadObjectCommand({ Bucket: bucket, Key: absolute(key), ChecksumMode: 'ENABLED' }),
      )
      if (found.ContentLength === undefined)
        throw new AppError('destination_failed', `${place}/${key} was answered without its size.`)
      return { bytes: found.ContentLength, sha256: found.ChecksumSHA256, crc: crcIn(found), tag: found.ETag }
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw error
    }
  }

  const read = async (key: string): Promise<Readable | undefined> => {
    try {
      const found = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: absolute(key) }))
      return found.Body as Readable
    } catch (error) {
      if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return undefined
      throw error
    }
  }

  /** What the destination holds under the key, compared with the file; undefined when there is nothing. */
  const evidenceFor = async (key: string, file: LocalFile, composite?: string): Promise<Evidence | undefined> => {
    const found = await head(key)
    if (!found) return undefined
    const wrong = (fact: string) =>
      new AppError('destination_mismatch', `${place}/${key} holds other bytes than were delivered (${fact}).`)
    if (found.bytes !== file.bytes) throw wrong(`${found.bytes} bytes, not ${file.bytes}`)
    if (found.sha256 !== undefined && !found.sha256.includes('-')) {
      if (found.sha256 !== Buffer.from(file.sha256, 'hex').toString('base64')) throw wrong('another sha256')
      return { method: 'sha256', bytes: found.bytes, sha256: file.sha256 }
    }
    if (composite !== undefined && found.sha256 === composite)
      return { method: 'composite-sha256', bytes: found.bytes, sha256: file.sha256 }
    if (found.crc) {
      const { kind, value } = found.crc
      if (value !== (await crcOfFile(kind, file.path))) throw wrong(`another ${kind}`)
      return { method: kind, bytes: found.bytes, sha256: file.sha256 }
    }
    const body = await read(key)
    if (!body) return undefined
    const digest = await digestOf(body)
    if (digest.sha256 !== file.sha256) throw wrong('another sha256')
    return { method: 'read-back', ...digest }
  }

  const putSingle = async (key: string, file: LocalFile, overwrite: boolean): Promise<void> => {
    await s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: absolute(key),
        Body: createReadStream(file.path),
        ContentLength: file.bytes,
        ContentType: contentType(key),
        ...(checksum === 'sha256' && { ChecksumSHA256: Buffer.from(file.sha256, 'hex').toString('base64') }),
        ...(checksum === 'md5' && { ContentMD5: await md5OfFile(file.path) }),
        ...(isCrc(checksum) && { [crcField[checksum]]: await crcOfFile(checksum, file.path) }),
        ...(!overwrite && { IfNoneMatch: '*' }),
        ...encryption,
      }),
    )
  }

  const deliver = async (key: string, file: LocalFile, overwrite: boolean): Promise<Evidence> => {
    try {
      const present = overwrite ? undefined : await evidenceFor(key, file)
      if (present) return present
      let composite: string | undefined
      try {
        if (file.bytes <= (options.singlePutBytesMax ?? singlePutBytesMax)) await putSingle(key, file, overwrite)
        else
          composite = await uploadMultipart(
            s3,
            file,
            { overwrite, checksum },
            {
              Bucket: bucket,
              Key: absolute(key),
              ContentType: contentType(key),
              ...encryption,
            },
          )
      } catch (error) {
        // 412: something is there after all, perhaps by a request whose answer was lost. The comparison decides.
        if (statusOf(error) !== 412) throw error
        const other = await evidenceFor(key, file)
        if (other) return other
      }
      const evidence = await evidenceFor(key, file, composite).catch((error: unknown) => {
        // A store may show what was just written a moment late. If it is still different at the next attempt, it is.
        if (!isAppError(error) || error.code !== 'destination_mismatch') throw error
        throw new AppError('destination_failed', `Just after writing, ${error.message}`, { cause: error })
      })
      if (evidence) return evidence
      throw new AppError('destination_failed', `${place}/${key} was accepted, but is not there.`)
    } catch (error) {
      throw s3Error(error, place)
    }
  }

  return {
    name,
    identity: `s3:${options.endpoint ?? `aws:${options.region}`}/${bucket}/${prefix}`,
    describe: () => ({
      kind: 's3',
      bucket,
      prefix,
      region: options.region,
      ...(options.endpoint && { endpoint: options.endpoint }),
      path_style: options.forcePathStyle,
      credentials: true,
    }),
    create: (key, file) => deliver(key, file, false),
    replace: (key, file) => deliver(key, file, true),
    async remove(key) {
      await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: absolute(key) })).catch((error: unknown) => {
        throw s3Error(error, place)
      })
    },
    async stat(key) {
      const found = await head(key).catch((error: unknown) => {
        throw s3Error(error, place)
      })
      if (!found) return undefined
      const whole = found.sha256 !== undefined && !found.sha256.includes('-') ? found.sha256 : undefined
      return { bytes: found.bytes, sha256: whole && Buffer.from(whole, 'base64').toString('hex'), tag: found.tag }
    },
    async read(key) {
      try {
        return await read(key)
      } catch (error) {
        throw s3Error(error, place)
      }
    },
    async *list(below, startAfter) {
      let token: string | undefined
      do {
        const page = await s3
          .send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: absolute(below),
              ...(startAfter !== undefined && { StartAfter: absolute(startAfter) }),
              ...(token !== undefined && { ContinuationToken: token }),
            }),
          )
          .catch((error: unknown) => {
            throw s3Error(error, place)
          })
        for (const { Key, Size, ETag } of page.Contents ?? [])
          if (Key !== undefined) yield { key: relative(Key), bytes: Size ?? 0, tag: ETag }
        token = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (token !== undefined)
    },
    async sweep(isOurs) {
      let swept = 0
      try {
        let next: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
        for (let pages = 0; next && pages < sweepPagesMax; pages++) {
          const page: ListMultipartUploadsCommandOutput = await s3.send(
            new ListMultipartUploadsCommand({
              Bucket: bucket,
              ...(prefix !== '' && { Prefix: `${prefix}/` }),
              ...next,
            }),
          )
          for (const { Key, UploadId } of page.Uploads ?? []) {
            if (Key === undefined || UploadId === undefined || !isOurs(relative(Key))) continue
            await s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
            swept++
          }
          next = markersAfter(page)
        }
      } catch (error) {
        throw s3Error(error, place)
      }
      return swept
    },
    close: () => s3.destroy(),
  }
}

/** Where the next page of unfinished uploads begins; undefined after the last one. */
const markersAfter = (page: ListMultipartUploadsCommandOutput) =>
  page.IsTruncated && page.NextKeyMarker
    ? { KeyMarker: page.NextKeyMarker, ...(page.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }) }
    : undefined

/** A CRC of the whole object, where the server keeps one: that of an upload in parts may be a CRC of CRCs. */
const crcIn = (found: HeadObjectCommandOutput): { kind: Crc; value: string } | undefined => {
  for (const kind of ['crc64nvme', 'crc32'] as const) {
    const value = found[crcField[kind]]
    if (value !== undefined && !value.includes('-') && found.ChecksumType !== 'COMPOSITE') return { kind, value }
  }
  return undefined
}

const contentType = (key: string): string => {
  if (key.endsWith('.parquet')) return 'application/vnd.apache.parquet'
  if (key.endsWith('.gz')) return 'application/gzip'
  if (key.endsWith('.md')) return 'text/markdown; charset=utf-8'
  if (key.endsWith('.svg')) return 'image/svg+xml'
  if (key.endsWith('.base')) return 'application/yaml'
  return 'application/json'
}
