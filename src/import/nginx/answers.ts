import { ALWAYS } from '../draft.ts'
import type { Context } from './context.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'
import type { Condition } from './variables.ts'

/** A condition under which nginx answers a request itself. */
export interface Answer extends Condition {
  readonly directive: Directive
}

/** Reads `if (…) { return 403; }` and the like of a block. */
export function answersOfIf(scope: Scope, { variables, report }: Context): readonly Answer[] {
  return scope.own('if').flatMap((directive) => {
    const answer = directive.block?.find(answersItself)
    if (answer === undefined) return []
    const conditions = variables.conditionsOf(directive)
    if (conditions === null) {
      report.leftOut(
        directive,
        'Cutover has no such condition, so requests that nginx answers here reach the servers; see routes (docs/traffic.md), or write a hook',
      )
      report.leftOut(answer, 'its condition is left out')
      return []
    }
    report.take(directive)
    const [status = ''] = answer.args
    if (/^[45]\d\d$/.test(status)) report.differs(answer, `Cutover answers these requests 503 instead of ${status}`)
    else
      report.leftOut(
        answer,
        'Cutover answers no requests itself, so these are answered 503; a hook answers (examples/hooks/rewriting.ts)',
      )
    return conditions.map(({ hosts, match }) => {
      const isForAll = hosts === null && match === null
      return { hosts, match: isForAll ? ALWAYS : match, directive }
    })
  })
}

function answersItself({ name, args }: Directive): boolean {
  return name === 'return' || (name === 'rewrite' && ['redirect', 'permanent'].includes(args.at(-1) ?? ''))
}
