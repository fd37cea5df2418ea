import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import type { Reader } from './delivered.ts'
import type { TestS3 } from './s3.ts'

/** Reads a bucket with a client of its own. */
export const bucketReader = (s3: TestS3, bucket: string, prefix: string): Reader => {
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  })
  return {
    async keys() {
      const keys: string[] = []
      let token: string | undefined
      do {
        const page = await client.send(
          new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}/`, ContinuationToken: token }),
        )
        for (const { Key } of page.Contents ?? []) keys.push(String(Key).slice(prefix.length + 1))
        token = page.NextContinuationToken
      } while (token)
      return keys.sort()
    },
    async read(key) {
      const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: `${prefix}/${key}` }))
      return Buffer.from((await found.Body?.transformToByteArray()) ?? [])
    },
  }
}

/** The settings that make a bucket of the test server a destination. */
export const bucketSettings = (whose: 'CLIENT' | 'BACKUP', s3: TestS3, bucket: string, key = 'S3RVER') => ({
  [`${whose}_S3_BUCKET`]: bucket,
  [`${whose}_S3_ENDPOINT`]: s3.endpoint,
  [`${whose}_S3_ACCESS_KEY`]: key,
  [`${whose}_S3_SECRET_KEY`]: 'S3RVER',
})
