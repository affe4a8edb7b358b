import { cookieLines } from './client/policy-cookies.ts'
import type { PlaceholderSubject } from './placeholders.ts'
import type { Tries } from './routing/tries.ts'

/** A request whose field lines policies change. */
export interface PolicySubject extends PlaceholderSubject {
  /** Whether a policy has looked at the request. */
  readonly wasSeen: boolean
  /** Time at which the response of a server began, monotonic ms; 0 = none has. */
  readonly answeredAt: number
  readonly tries: Tries | null
}

/** Changes the field lines for a server as the policies of the service say. */
export function editRequestLines(lines: string, subject: PolicySubject): string {
  return subject.tries?.route.requestEdit?.apply(lines, subject) ?? lines
}

/** Changes the field lines for the client, and adds the cookies that policies issue. */
export function editResponseLines(lines: string, subject: PolicySubject): string {
  const { tries } = subject
  if (tries === null) return lines
  const edited = tries.route.responseEdit?.apply(lines, subject) ?? lines
  if (!subject.wasSeen) return edited
  return edited + cookieLines(subject.routed, tries.route, subject.answeredAt === 0 ? null : tries.target)
}
