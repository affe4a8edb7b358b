import { readdirSync, readFileSync } from 'node:fs'

/** /proc counts in hundredths of a second, independent of the kernel's tick. */
const microsecondsPerTick = 10_000

interface Usage {
  readonly parent: number
  readonly ticks: number
}

/** CPU time so far (user and system) of a process with all its threads and descendants, in microseconds. */
export function cpuMicroseconds(pid: number): number {
  const usages = new Map<number, Usage>()
  for (const entry of readdirSync('/proc')) {
    const usage = /^\d+$/.test(entry) ? read(entry) : undefined
    if (usage) usages.set(Number(entry), usage)
  }
  let ticks = 0
  for (const [id, usage] of usages) if (descends(id, pid, usages)) ticks += usage.ticks
  return ticks * microsecondsPerTick
}

function descends(pid: number, ancestor: number, usages: ReadonlyMap<number, Usage>): boolean {
  for (let id: number | undefined = pid; id !== undefined; id = usages.get(id)?.parent) if (id === ancestor) return true
  return false
}

/**
 * Reads /proc/PID/stat, see proc(5): field 4 is the parent, 14 and 15 are utime and stime; field 2 may contain any
 * text.
 */
function read(pid: string): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined // The process has just ended.
  }
}
