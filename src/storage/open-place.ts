import { AppError, messageOf } from '../errors.ts'
import { endpoint } from '../settings.ts'
import type { Destination } from './destination.ts'
import { createFolderDestination } from './folder-destination.ts'
import { createS3Destination } from './s3-destination.ts'

const regionDefault = 'us-east-1'

/**
 * A destination by its address, for an auditor who has no settings of ours: `s3://bucket/prefix`, with the keys of the AWS
 * environment or profile, or a folder. Throws `usage_invalid`.
 */
export const openPlace = (
  place: string,
  options: { endpoint?: string | undefined; region?: string | undefined },
): Destination => {
  if (!place.includes('://')) return createFolderDestination('client', place)
  const url = URL.canParse(place) ? new URL(place) : undefined
  if (url?.protocol !== 's3:' || url.hostname === '')
    throw new AppError('usage_invalid', `${place} is neither s3://bucket/prefix nor a folder.`)
  if (options.endpoint !== undefined) checkEndpoint(options.endpoint)
  return createS3Destination('client', {
    bucket: url.hostname,
    prefix: decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, ''),
    region: options.region ?? regionDefault,
    endpoint: options.endpoint,
    forcePathStyle: options.endpoint !== undefined,
    accessKey: undefined,
    secretKey: undefined,
    sse: undefined,
    sseKmsKeyId: undefined,
  })
}

const checkEndpoint = (text: string): void => {
  try {
    endpoint(text)
  } catch (error) {
    throw new AppError('usage_invalid', `--endpoint ${messageOf(error)}`)
  }
}
