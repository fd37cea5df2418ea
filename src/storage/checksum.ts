import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { crc32 } from 'node:zlib'
import { Crc64Nvme } from '@aws-sdk/checksums/crc'

/** What a server checks an upload by, and may keep as evidence. CRCs are of the whole object, also where it goes in parts. */
export const uploadChecksums = ['crc64nvme', 'crc32', 'sha256', 'md5', 'none'] as const
export type UploadChecksum = (typeof uploadChecksums)[number]
export type Crc = 'crc64nvme' | 'crc32'

/** A CRC that is computed piece by piece; base64 of its big-endian bytes, as S3 writes it. */
export type CrcSum = { update(bytes: Buffer): void; base64(): Promise<string> }

export const createCrc = (kind: Crc): CrcSum => {
  if (kind === 'crc64nvme') {
    const sum = new Crc64Nvme()
    return {
      update: (bytes) => sum.update(bytes),
      base64: async () => Buffer.from(await sum.digest()).toString('base64'),
    }
  }
  let value = 0
  return {
    update(bytes) {
      value = crc32(bytes, value)
    },
    async base64() {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(value)
      return bytes.toString('base64')
    },
  }
}

export const crcOf = (kind: Crc, bytes: Buffer): Promise<string> => {
  const sum = createCrc(kind)
  sum.update(bytes)
  return sum.base64()
}

export const crcOfFile = async (kind: Crc, file: string): Promise<string> => {
  const sum = createCrc(kind)
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) sum.update(chunk as Buffer)
  return sum.base64()
}

/** MD5 of a file as S3's Content-MD5 wants it, base64: for services that check nothing better. */
export const md5OfFile = async (file: string): Promise<string> => {
  const hash = createHash('md5')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) hash.update(chunk as Buffer)
  return hash.digest('base64')
}

/** The field of S3's requests and answers that holds it. */
export const crcField = { crc64nvme: 'ChecksumCRC64NVME', crc32: 'ChecksumCRC32' } as const
export const crcAlgorithm = { crc64nvme: 'CRC64NVME', crc32: 'CRC32' } as const
export const isCrc = (checksum: UploadChecksum): checksum is Crc => checksum === 'crc64nvme' || checksum === 'crc32'
