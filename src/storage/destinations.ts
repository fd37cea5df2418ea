import path from 'node:path'
import { bucketPrefix, type Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { type DestinationName, destinationNames } from '../types.ts'
import type { Destination } from './destination.ts'
import { createFolderDestination } from './folder-destination.ts'
import { createS3Destination } from './s3-destination.ts'

/** The two destinations as the settings say: a bucket, a bucket that waits for its keys, or a folder under DATA_DIR. */
export const createDestinations = (config: Config): Destination[] =>
  destinationNames.map((name) => createDestination(name, config))

const createDestination = (name: DestinationName, config: Config): Destination => {
  const whose = name === 'client' ? 'CLIENT' : 'BACKUP'
  const bucket = config[`${whose}_S3_BUCKET`]
  if (bucket === undefined) return createFolderDestination(name, path.join(config.DATA_DIR, 'exports', name))
  const prefix = bucketPrefix(config, whose)
  const endpoint = config[`${whose}_S3_ENDPOINT`]
  const accessKey = config[`${whose}_S3_ACCESS_KEY`]
  const secretKey = config[`${whose}_S3_SECRET_KEY`]
  const region = config[`${whose}_S3_REGION`]
  if (!accessKey || !secretKey) return createWaitingDestination(name, bucket, prefix, whose)
  return createS3Destination(name, {
    bucket,
    prefix,
    region,
    endpoint,
    forcePathStyle: config[`${whose}_S3_FORCE_PATH_STYLE`] ?? endpoint !== undefined,
    accessKey,
    secretKey,
    checksum: config[`${whose}_S3_CHECKSUM`],
    sse: config[`${whose}_S3_SSE`],
    sseKmsKeyId: config[`${whose}_S3_SSE_KMS_KEY_ID`],
  })
}

/** A bucket whose keys the client has still to give: its parts wait. */
const createWaitingDestination = (
  name: DestinationName,
  bucket: string,
  prefix: string,
  whose: 'CLIENT' | 'BACKUP',
): Destination => {
  const refuse = (): never => {
    throw new AppError(
      'destination_refused',
      `s3://${bucket} needs keys: set ${whose}_S3_ACCESS_KEY and ${whose}_S3_SECRET_KEY.`,
    )
  }
  return {
    name,
    identity: `s3:needs-keys/${bucket}/${prefix}`,
    describe: () => ({ kind: 's3', bucket, prefix, credentials: false }),
    create: async () => refuse(),
    replace: async () => refuse(),
    remove: async () => refuse(),
    read: async () => refuse(),
    stat: async () => refuse(),
    sweep: async () => refuse(),
    list: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => refuse() }) }),
    close() {},
  }
}
