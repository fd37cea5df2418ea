/** Solves A·x = b by Gaussian elimination with partial pivoting; null when A is singular. The arguments are used up. */
export const solve = (a: number[][], b: number[]): number[] | null => {
  const n = b.length
  for (let column = 0; column < n; column++) {
    let pivot = column
    for (let row = column + 1; row < n; row++)
      if (Math.abs(a[row]?.[column] ?? 0) > Math.abs(a[pivot]?.[column] ?? 0)) pivot = row
    const head = a[pivot]
    if (!head || Math.abs(head[column] ?? 0) < 1e-14) return null
    ;[a[pivot], a[column]] = [a[column] ?? [], head]
    ;[b[pivot], b[column]] = [b[column] ?? 0, b[pivot] ?? 0]
    for (let row = column + 1; row < n; row++) {
      const line = a[row] ?? []
      const factor = (line[column] ?? 0) / (head[column] ?? 1)
      if (factor === 0) continue
      for (let k = column; k < n; k++) line[k] = (line[k] ?? 0) - factor * (head[k] ?? 0)
      b[row] = (b[row] ?? 0) - factor * (b[column] ?? 0)
    }
  }
  const x = new Array<number>(n).fill(0)
  for (let row = n - 1; row >= 0; row--) {
    let sum = b[row] ?? 0
    for (let k = row + 1; k < n; k++) sum -= (a[row]?.[k] ?? 0) * (x[k] ?? 0)
    x[row] = sum / (a[row]?.[row] ?? 1)
  }
  return x
}
