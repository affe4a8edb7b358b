/** Fields that concern a connection or the framing of a message, and not its content. RFC 9110 §7.6.1, §6.4. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const NOT_OURS = 'cannot be changed: Cutover frames messages and keeps connections itself'

/** Why policies and hooks may not change a field of requests; null = they may. `name`: lower case. */
export function requestFieldProblem(name: string): string | null {
  if (name === 'via') return 'cannot be changed: requests that go round in a circle are recognized by it'
  return name === 'expect' ? NOT_OURS : responseFieldProblem(name)
}

/** The same for a field of responses. */
export function responseFieldProblem(name: string): string | null {
  return CONNECTION_FIELDS.has(name.replaceAll('_', '-')) ? NOT_OURS : null
}
