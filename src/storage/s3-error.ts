import { AppError } from '../errors.ts'

export const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode

/** Refusals that only the bucket's owner can mend. */
const refusedNames = [
  'AccessDenied',
  'AllAccessDisabled',
  'AccountProblem',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'NoSuchBucket',
  'PermanentRedirect',
  'SignatureDoesNotMatch',
  'KMS.DisabledException',
  'KMS.NotFoundException',
  'KMSAccessDeniedException',
]

/** An SDK error as `destination_refused` (waits for the bucket's owner) or `destination_failed` (tried again). */
export const s3Error = (error: unknown, place: string): AppError => {
  if (error instanceof AppError) return error
  const status = statusOf(error)
  const name = (error as { name?: string } | null)?.name ?? 'unknown'
  const what = `${place} answered ${name}${status ? ` (${status})` : ''}`
  if (status === 401 || status === 403 || refusedNames.includes(name))
    return new AppError('destination_refused', `${what}; check bucket, keys and policy.`, { cause: error })
  return new AppError('destination_failed', `${what}.`, { cause: error })
}
