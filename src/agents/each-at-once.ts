/** Does something with each item, so many at the same time. The first failure ends it, once what is under way has ended. */
export const eachAtOnce = async <T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> => {
  let next = 0
  let isFailed = false
  const work = async (): Promise<void> => {
    while (!isFailed && next < items.length)
      try {
        await act(items[next++] as T)
      } catch (error) {
        isFailed = true
        throw error
      }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, work))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}
