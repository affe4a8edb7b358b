import { requestFieldProblem, responseFieldProblem } from '../../model/changeable-fields.ts'

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Throws if a hook may not set this field of a request for a server. */
export function checkRequestField(name: unknown, value: unknown): asserts value is string {
  checkField(name, value, requestFieldProblem)
}

/** Throws if a hook may not set this field of a response. */
export function checkResponseField(name: unknown, value: unknown): asserts value is string {
  checkField(name, value, responseFieldProblem)
}

function checkField(name: unknown, value: unknown, problemOf: (name: string) => string | null): void {
  if (typeof name !== 'string' || !NAME.test(name))
    throw new TypeError(`${JSON.stringify(name)} is not the name of a header field`)
  const problem = problemOf(name.toLowerCase())
  if (problem !== null) throw new TypeError(`${name} ${problem}`)
  // The value may be a secret, and goes to the log with the error.
  if (typeof value !== 'string') throw new TypeError(`the value of ${name} must be text, not ${typeof value}`)
  if (!VALUE.test(value))
    throw new TypeError(`the value of ${name} has a line end or another character that a header field cannot hold`)
}
