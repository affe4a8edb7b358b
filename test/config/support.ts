import { checkConfig } from '../../src/config/check-config.ts'
import { checkService } from '../../src/config/check-service.ts'
import type { Config } from '../../src/config/config.ts'
import { formatProblem } from '../../src/config/problems.ts'
import type { ServiceSpec } from '../../src/model/spec.ts'

/** The smallest service there is. */
export const SMALL = { pools: { blue: { servers: { blue1: 'http://10.0.0.1:9000' } } } }

/** The resolved service; throws with its problems. */
export function specOf(source: unknown): ServiceSpec {
  const checked = checkService('shop', source)
  if (!checked.ok) throw new Error(checked.problems.map(formatProblem).join('\n'))
  return checked.spec
}

/** The problems of the smallest service with `changes`, as lines. */
export function problemsOf(changes: object): readonly string[] {
  const checked = checkService('shop', { ...SMALL, ...changes })
  return checked.ok ? [] : checked.problems.map(formatProblem)
}

export function configOf(raw: unknown): Config {
  const checked = checkConfig(raw)
  if (!checked.ok) throw new Error(checked.problems.map(formatProblem).join('\n'))
  return checked.config
}

export function configProblemsOf(raw: unknown): readonly string[] {
  const checked = checkConfig(raw)
  return checked.ok ? [] : checked.problems.map(formatProblem)
}
