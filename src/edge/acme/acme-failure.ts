/** Why a certificate was not issued. */
export type AcmeFailureKind =
  /** The server cannot be reached, or has failed itself. */
  | 'unreachable'
  /** The server takes no more orders for now. */
  | 'rateLimited'
  /** The server has found that the name is not ours. */
  | 'validation'
  /** The server refuses what it was asked for. */
  | 'refused'
  /** The server does not know the account, or has deactivated it. */
  | 'account'
  /** Not every instance of the fleet could answer the challenge, or this one lacks a key or a file: the server was not asked. */
  | 'notReady'

/** An attempt at a certificate has failed. The message is for people. */
export class AcmeFailure extends Error {
  override name = 'AcmeFailure'
  readonly kind: AcmeFailureKind
  /** Time after which the server wants to be asked again, ms; 0 = it does not say. */
  readonly retryAfterMs: number

  constructor(kind: AcmeFailureKind, message: string, retryAfterMs = 0) {
    super(clean(message))
    this.kind = kind
    this.retryAfterMs = retryAfterMs
  }
}

const MAX_CHARS = 500

/** Messages of servers may have anything in them. */
function clean(message: string): string {
  const text = message.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text
}

/** A problem document of an ACME server (RFC 8555 §6.7). */
export interface AcmeProblem {
  readonly type?: unknown
  readonly detail?: unknown
  readonly subproblems?: unknown
}

const NAMESPACE = 'urn:ietf:params:acme:error:'
const ACCOUNT_PROBLEMS: ReadonlySet<string> = new Set(['accountDoesNotExist'])
/** The server has looked, and was not convinced. */
const VALIDATION_PROBLEMS: ReadonlySet<string> = new Set([
  ...['caa', 'connection', 'dns', 'incorrectResponse', 'tls', 'unauthorized'],
])

/** The failure that an answer of the server means. `status`: 0 = unknown, as in a challenge that has failed. */
export function failureOf(problem: AcmeProblem, status: number, retryAfterMs: number): AcmeFailure {
  const type = String(problem.type ?? '').replace(NAMESPACE, '')
  const detail = detailOf(problem) || `it answers with status ${status}`
  const message = type === '' ? detail : `${detail} (${type})`
  return new AcmeFailure(kindOf(type, status), message, retryAfterMs)
}

function kindOf(type: string, status: number): AcmeFailureKind {
  if (type === 'rateLimited' || status === 429) return 'rateLimited'
  if (ACCOUNT_PROBLEMS.has(type)) return 'account'
  if (type === 'serverInternal' || type === 'badNonce' || status >= 500) return 'unreachable'
  if (status === 0 || (VALIDATION_PROBLEMS.has(type) && type !== 'unauthorized')) return 'validation'
  return 'refused'
}

function detailOf({ detail, subproblems }: AcmeProblem): string {
  const text = typeof detail === 'string' ? detail : ''
  if (!Array.isArray(subproblems)) return text
  const parts = subproblems.flatMap((each: { detail?: unknown } | null) =>
    typeof each?.detail === 'string' ? each.detail : [],
  )
  return [text, ...parts].filter((part) => part !== '').join('; ')
}
