import { isDeepStrictEqual } from 'node:util'
import type { Settings, Target } from './draft.ts'
import type { Report, Statement } from './report.ts'

/** The policies in which two targets differ. */
export function differences(a: Target, b: Target): readonly string[] {
  const keys = [...new Set([...Object.keys(a.settings), ...Object.keys(b.settings)])] as (keyof Settings)[]
  // The split has no part in the requests of a route.
  const different: string[] = keys.filter(
    (key) => key !== 'splitBy' && !isDeepStrictEqual(a.settings[key], b.settings[key]),
  )
  return (a.stripPrefix === true) === (b.stripPrefix === true) ? different : [...different, 'stripPrefix']
}

/** Reports that a pool of a split does not keep its own policies: a service has those of `main`. */
export function tellOtherPolicies(statement: Statement, main: Target, other: Target, report: Report): void {
  const list = differences(main, other)
  if (list.length === 0) return
  const [name, own] = [main.pools[0]?.name, other.pools[0]?.name]
  report.differs(
    statement,
    `all pools of a service have the same policies, here those of ${name}; ${own} has others (${list.join(', ')})`,
  )
}
