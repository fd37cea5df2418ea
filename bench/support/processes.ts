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

/** Of Linux. */
const ticksPerSecond = 100

/** What a process has used of the processors, in user and system mode; 0 once it has gone. */
export const cpuSecondsOf = (pid: number): number => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  } catch {
    return 0
  }
}

/** Peak memory in MB (10^6 bytes), and CPU seconds since sampling began, of all and of each kind of process. */
export type Used = {
  totalMb: number
  each: Record<string, number>
  cpuSeconds: number
  cpuEach: Record<string, number>
}

/**
 * Samples a process and its descendants. Memory is the proportional set size, which counts a page shared by two processes
 * once. What a process uses after its last sample is missed. Linux only.
 */
export const sampleProcesses = (root: number, everyMs = 50): { stop(): Used } => {
  let total = 0
  const each: Record<string, number> = {}
  const cpus = new Map<number, { name: string; before: number; now: number }>()
  for (const { pid, name } of familyOf(root)) {
    const before = cpuSecondsOf(pid)
    cpus.set(pid, { name, before, now: before })
  }
  const sample = () => {
    let sum = 0
    for (const { pid, name } of familyOf(root)) {
      const cpu = cpus.get(pid) ?? { name, before: 0, now: 0 }
      cpus.set(pid, { ...cpu, now: Math.max(cpu.now, cpuSecondsOf(pid)) })
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
      sample()
      const cpuEach: Record<string, number> = {}
      for (const { name, before, now } of cpus.values()) cpuEach[name] = (cpuEach[name] ?? 0) + now - before
      return {
        totalMb: Math.round(total),
        each: Object.fromEntries(Object.entries(each).map(([k, v]) => [k, Math.round(v)])),
        cpuSeconds: Object.values(cpuEach).reduce((sum, one) => sum + one, 0),
        cpuEach,
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
