/** Things that wait for their time, taken out in its order; equal times in the order in which they came. */
export type SendOrder<T> = {
  add(item: T, atMs: number): void
  /** Everything due at `untilMs` or before. */
  takeUntil(untilMs: number): Generator<T, void>
}

type Entry<T> = { item: T; atMs: number; order: number }

/** A binary heap: holds only what is under way, so memory follows the sessions of an hour, not of the run. */
export const createSendOrder = <T>(): SendOrder<T> => {
  const heap: Entry<T>[] = []
  let added = 0
  const isBefore = (a: number, b: number): boolean => {
    const [x, y] = [heap[a], heap[b]]
    if (!x || !y) return x !== undefined
    return x.atMs < y.atMs || (x.atMs === y.atMs && x.order < y.order)
  }
  const swap = (a: number, b: number): void => {
    const [x, y] = [heap[a], heap[b]]
    if (!x || !y) return
    heap[a] = y
    heap[b] = x
  }
  const take = (): T | undefined => {
    const top = heap[0]
    const last = heap.pop()
    if (top && last && top !== last) {
      heap[0] = last
      for (let at = 0; ; ) {
        const child = isBefore(2 * at + 1, 2 * at + 2) ? 2 * at + 1 : 2 * at + 2
        if (child >= heap.length || !isBefore(child, at)) break
        swap(at, child)
        at = child
      }
    }
    return top?.item
  }
  return {
    add(item, atMs) {
      heap.push({ item, atMs, order: added++ })
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1
        if (!isBefore(at, parent)) break
        swap(at, parent)
        at = parent
      }
    },
    *takeUntil(untilMs) {
      for (let next = heap[0]; next !== undefined && next.atMs <= untilMs; next = heap[0]) {
        const item = take()
        if (item !== undefined) yield item
      }
    },
  }
}
