import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { secret } from '../../src/secret.ts'
import { crcOf, type UploadChecksum } from '../../src/storage/checksum.ts'
import { partBytesFor } from '../../src/storage/multipart.ts'
import { createS3Destination } from '../../src/storage/s3-destination.ts'
import { crc64nvme, startChecksumS3 } from '../support/checksum-s3.ts'
import { tempFolder } from '../support/exporter.ts'

t.test('the CRCs give the values of their catalogue, and those of an independent computation', async (t) => {
  const check = Buffer.from('123456789')
  // "check" of CRC-64/NVME and CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
  t.equal(Buffer.from(await crcOf('crc64nvme', check), 'base64').toString('hex'), 'ae8b14860a799888')
  t.equal(Buffer.from(await crcOf('crc32', check), 'base64').toString('hex'), 'cbf43926')
  const bytes = randomBytes(10_000)
  t.equal(await crcOf('crc64nvme', bytes), crc64nvme(bytes))
})

for (const [checksum, single, inParts] of [
  ['crc64nvme', 'crc64nvme', 'crc64nvme'],
  ['crc32', 'crc32', 'crc32'],
  ['sha256', 'sha256', 'composite-sha256'],
  ['none', 'read-back', 'read-back'],
] as const satisfies [UploadChecksum, string, string][])
  t.test(`with ${checksum} the server checks what arrives, and what it keeps is the evidence`, async (t) => {
    const s3 = await startChecksumS3()
    t.teardown(() => s3.close())
    const folder = await tempFolder(t)
    const open = (singlePutBytesMax: number) =>
      createS3Destination('client', {
        ...{ bucket: 'b', prefix: '', region: 'us-east-1', endpoint: s3.endpoint, forcePathStyle: true, checksum },
        ...{
          accessKey: secret('k'),
          secretKey: secret('s'),
          sse: undefined,
          sseKmsKeyId: undefined,
          singlePutBytesMax,
        },
      })
    const fileOf = async (name: string, bytes: Buffer) => {
      const file = path.join(folder, name)
      await writeFile(file, bytes)
      return { path: file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
    }
    const small = await fileOf('small', randomBytes(5_000))
    const put = open(1e9)
    t.equal((await put.create('small', small)).method, single)
    t.equal((await put.create('small', small)).method, single, 'again: it is there')
    await t.rejects(put.create('small', await fileOf('other', randomBytes(5_000))), { code: 'destination_mismatch' })

    // CRC-64 bit by bit is slow, so the parts are few; three of them is more than one and a rest.
    const large = await fileOf('large', randomBytes(checksum === 'crc64nvme' ? 40_000 : 2 * partBytesFor(1) + 5))
    const parts = open(0)
    t.equal((await parts.create('large', large)).method, inParts)
    t.equal(s3.objects.get('large')?.body.length, large.bytes)
    if (checksum !== 'none') t.ok(s3.seen.some((one) => one.startsWith('PUT 1 large x-amz-checksum-')))

    s3.lie(true)
    const wrong = single === 'sha256' ? /another sha256/ : single === 'read-back' ? /another sha256/ : /another crc/
    await t.rejects(put.create('lied', small), { code: 'destination_failed', message: wrong }, 'once it may be late')
    await t.rejects(put.create('lied', small), { code: 'destination_mismatch', message: wrong }, 'twice it is a lie')
    for (const destination of [put, parts]) destination.close()
  })
