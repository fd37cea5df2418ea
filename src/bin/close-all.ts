import type { Log } from '../log.ts'

/**
 * Calls all in order, each after the one before has ended. One that fails is logged and does not keep the rest from
 * being closed. Resolves to whether none failed.
 */
export const closeAll = async (closers: readonly (() => unknown)[], log: Log): Promise<boolean> => {
  let inOrder = true
  for (const close of closers)
    try {
      await close()
    } catch (error) {
      inOrder = false
      log.error({ err: error }, 'a part of the program could not be stopped in order')
    }
  return inOrder
}
