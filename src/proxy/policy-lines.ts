import type { ClientRequest } from './client/client-request.ts'
import { cookieLines } from './client/policy-cookies.ts'
import type { PlaceholderSubject } from './placeholders.ts'
import type { Tries } from './routing/tries.ts'

/** Hooks that change field lines; each returns null if its hook has failed. */
interface LineHooks {
  withSetFields(lines: string): string
  requestLines(lines: string): string | null
  responseLines(lines: string): string | null
}

/** A request whose field lines policies change. */
export interface PolicySubject extends PlaceholderSubject {
  /** The request as policies see it; null = none has looked at it. */
  readonly seen: ClientRequest | null
  /** Time at which the response of a server began, monotonic ms; 0 = none has. */
  readonly answeredAt: number
  readonly tries: Tries | null
  /** null = there are none for this request. */
  readonly hooked: LineHooks | null
  /** Status for the client, which a hook may change. */
  status: number
}

/** Changes the field lines for a server as the policies of the service and hooks say; null = a hook has failed. */
export function editRequestLines(lines: string, subject: PolicySubject): string | null {
  const { hooked } = subject
  const given = hooked === null ? lines : hooked.withSetFields(lines)
  const edited = subject.tries?.route.requestEdit?.apply(given, subject) ?? given
  return hooked === null ? edited : hooked.requestLines(edited)
}

/**
 * Changes the field lines and the status for the client as the policies of the service and hooks say, and adds the cookies
 * that policies issue; null = a hook has failed.
 */
export function editResponseLines(lines: string, subject: PolicySubject): string | null {
  const { tries, seen, hooked } = subject
  if (tries === null) return lines
  const edited = tries.route.responseEdit?.apply(lines, subject) ?? lines
  const target = subject.answeredAt === 0 ? null : tries.target
  const whole = seen === null ? edited : edited + cookieLines(seen, tries.route, target)
  return hooked === null ? whole : hooked.responseLines(whole)
}
