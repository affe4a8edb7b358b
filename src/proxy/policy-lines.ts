import type { ClientRequest } from './client/client-request.ts'
import { cookieLines } from './client/policy-cookies.ts'
import type { PlaceholderSubject } from './placeholders.ts'
import type { Tries } from './routing/tries.ts'

/** A request whose field lines policies change. */
export interface PolicySubject extends PlaceholderSubject {
  /** The request as policies see it; null = none has looked at it. */
  readonly seen: ClientRequest | null
  readonly tries: Tries | null
}

/** Changes the field lines for a server as the policies of the service say. */
export function editRequestLines(lines: string, subject: PolicySubject): string {
  return subject.tries?.route.requestEdit?.apply(lines, subject) ?? lines
}

/** Changes the field lines for the client, and adds the cookies that policies issue. */
export function editResponseLines(lines: string, subject: PolicySubject): string {
  const edited = subject.tries?.route.responseEdit?.apply(lines, subject) ?? lines
  return subject.seen === null ? edited : edited + cookieLines(subject.seen)
}
