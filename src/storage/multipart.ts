import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { crcAlgorithm, crcField, crcOf, createCrc, isCrc, type UploadChecksum } from './checksum.ts'
import type { LocalFile } from './destination.ts'

/** S3 takes at most 10,000 parts, of 5 MiB or more each. */
const partsMax = 10_000
const partBytesMin = 16 * 1024 * 1024
const mebibyte = 1024 * 1024

/** Part size of a file: the smallest whole number of MiB, from 16, by which no file needs more than 10,000 parts. */
export const partBytesFor = (fileBytes: number): number =>
  Math.max(partBytesMin, Math.ceil(Math.ceil(fileBytes / partsMax) / mebibyte) * mebibyte)

/**
 * Uploads a file in parts, one in memory at a time, each with its SHA-256. Resolves to the composite checksum the server
 * must show afterwards: base64 of SHA-256 over the parts' digests, `-`, the number of parts; undefined where parts go with
 * another checksum. A CRC is of the whole object, and the server checks it when the upload is completed. An upload that
 * fails is aborted, so that no parts are left to be paid for.
 */
export const uploadMultipart = async (
  s3: S3Client,
  file: LocalFile,
  { overwrite, checksum }: { overwrite: boolean; checksum: UploadChecksum },
  target: CreateMultipartUploadCommandInput & { Bucket: string; Key: string },
): Promise<string | undefined> => {
  const { Bucket, Key } = target
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({
      ...target,
      ...(checksum === 'sha256' && { ChecksumAlgorithm: 'SHA256' }),
      ...(isCrc(checksum) && { ChecksumAlgorithm: crcAlgorithm[checksum], ChecksumType: 'FULL_OBJECT' }),
    }),
  )
  const handle = await open(file.path, 'r')
  try {
    const partBytes = partBytesFor(file.bytes)
    const partsExpected = Math.ceil(file.bytes / partBytes)
    const whole = createHash('sha256')
    const wholeCrc = isCrc(checksum) ? createCrc(checksum) : undefined
    const parts: CompletedPart[] = []
    const buffer = Buffer.allocUnsafe(partBytes)
    for (let number = 1; number <= partsExpected; number++) {
      const { bytesRead } = await handle.read(buffer, 0, partBytes, (number - 1) * partBytes)
      const body = buffer.subarray(0, bytesRead)
      const digest = createHash('sha256').update(body).digest()
      const proof = {
        ...(checksum === 'sha256' && { ChecksumSHA256: digest.toString('base64') }),
        ...(checksum === 'md5' && { ContentMD5: createHash('md5').update(body).digest('base64') }),
        ...(isCrc(checksum) && { [crcField[checksum]]: await crcOf(checksum, body) }),
      }
      const answer = await s3.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: number, Body: body, ...proof }),
      )
      whole.update(digest)
      wholeCrc?.update(body)
      parts.push({
        PartNumber: number,
        ETag: answer.ETag,
        ...(answer.ChecksumSHA256 && { ChecksumSHA256: answer.ChecksumSHA256 }),
      })
    }
    await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: parts },
        ...(!overwrite && { IfNoneMatch: '*' }),
        ...(wholeCrc &&
          isCrc(checksum) && { [crcField[checksum]]: await wholeCrc.base64(), ChecksumType: 'FULL_OBJECT' }),
      }),
    )
    return checksum === 'sha256' ? `${whole.digest('base64')}-${parts.length}` : undefined
  } catch (error) {
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => undefined)
    throw error
  } finally {
    await handle.close()
  }
}
