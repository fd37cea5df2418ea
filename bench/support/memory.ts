import { readdirSync, readFileSync } from 'node:fs'

const kilobytes = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)

/** The process and its descendants, PostgreSQL's servers left out. */
export const familyOf = (root: number): { pid: number; name: string }[] => {
  const children = new Map<number, { pid: number; name: string }[]>()
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${entry}/status`, 'utf8')
      const parent = kilobytes(status, 'PPid')
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0').join(' ')
      const name = /duckdb-child/.test(command)
        ? 'encoder'
        : /postgres/.test(command.split(' ')[0] ?? '')
          ? ''
          : 'server'
      children.set(parent, [...(children.get(parent) ?? []), { pid: Number(entry), name }])
    } catch {
      // It ended meanwhile.
    }
  }
  const found: { pid: number; name: string }[] = [{ pid: root, name: 'server' }]
  for (let i = 0; i < found.length; i++)
    for (const child of children.get(found[i]?.pid ?? -1) ?? []) if (child.name !== '') found.push(child)
  return found
}

/**
 * Samples the memory of a process and its descendants: proportional set size, which counts a page shared by two processes
 * once. Linux only. `stop` resolves to the peak of the sum, and of each kind of process, in MB (10^6 bytes).
 */
export const sampleMemory = (
  root: number,
  everyMs = 50,
): { stop(): { totalMb: number; each: Record<string, number> } } => {
  let total = 0
  const each: Record<string, number> = {}
  const sample = () => {
    let sum = 0
    for (const { pid, name } of familyOf(root)) {
      try {
        const bytes = kilobytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss') * 1024
        sum += bytes
        each[name] = Math.max(each[name] ?? 0, bytes / 1e6)
      } catch {
        // It ended meanwhile.
      }
    }
    total = Math.max(total, sum / 1e6)
  }
  const timer = setInterval(sample, everyMs)
  sample()
  return {
    stop() {
      clearInterval(timer)
      return {
        totalMb: Math.round(total),
        each: Object.fromEntries(Object.entries(each).map(([k, v]) => [k, Math.round(v)])),
      }
    },
  }
}

/** Proportional set size of a process and its descendants now, in MB. */
export const processMb = (root: number): number =>
  Math.round(
    familyOf(root).reduce((sum, { pid }) => {
      try {
        return sum + kilobytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss') * 1024
      } catch {
        return sum
      }
    }, 0) / 1e6,
  )
