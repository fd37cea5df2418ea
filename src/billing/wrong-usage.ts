import { AppError, isAppError } from '../errors.ts'

/** What is an invalid request over HTTP is a wrong usage of a command: another exit code, the same words. */
export const asUsage = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work
  } catch (error) {
    if (!isAppError(error) || error.code !== 'request_invalid') throw error
    throw new AppError('usage_invalid', error.message, { cause: error })
  }
}
