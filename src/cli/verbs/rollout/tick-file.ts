import type { RecordedTick } from '../../../rollout/judge/replay.ts'
import { readText } from '../../settings-file.ts'
import { Unusable } from '../../unusable.ts'

type Counted = RecordedTick['canary']

const EXPECTED = 'expected {"canary": {"requests": 50, "bad": 1}, "stable": {"requests": 950, "bad": 4}}'

/** Reads ticks from a file of JSON lines; blank lines are skipped. Throws Unusable with all lines that are none. */
export async function readTicks(path: string): Promise<readonly RecordedTick[]> {
  const ticks: RecordedTick[] = []
  const problems: string[] = []
  for (const [i, line] of (await readText(path)).split('\n').entries()) {
    if (line.trim() === '') continue
    const tick = tickOf(line)
    if (tick === null) problems.push(`${path}:${i + 1}: ${EXPECTED}`)
    else ticks.push(tick)
  }
  if (problems.length > MAX_PROBLEMS) throw new Unusable([...problems.slice(0, MAX_PROBLEMS), 'and more'].join('\n'))
  if (problems.length > 0) throw new Unusable(problems.join('\n'))
  if (ticks.length === 0) throw new Unusable(`${path} has no ticks: ${EXPECTED}, one a line`)
  return ticks
}

const MAX_PROBLEMS = 20

function tickOf(line: string): RecordedTick | null {
  try {
    const { canary, stable } = JSON.parse(line) as { readonly canary?: unknown; readonly stable?: unknown }
    return isCounted(canary) && isCounted(stable) ? { canary, stable } : null
  } catch {
    return null
  }
}

function isCounted(value: unknown): value is Counted {
  if (typeof value !== 'object' || value === null) return false
  const { requests, bad } = value as Readonly<Record<string, unknown>>
  return isCount(requests) && isCount(bad) && bad <= requests
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
