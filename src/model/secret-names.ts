/** The text shown in place of a secret. */
export const HIDDEN = '(hidden)'

/** Names of header fields, cookies and query parameters that carry credentials. */
const SECRET = /auth|cookie|key|password|secret|session|signature|token/i

/** Whether the name of a header field, cookie or query parameter suggests that its value is a secret. */
export function suggestsSecret(name: string): boolean {
  return SECRET.test(name)
}
