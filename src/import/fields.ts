import { requestFieldProblem, responseFieldProblem } from '../model/changeable-fields.ts'
import type { FieldEdits, Settings } from './draft.ts'
import type { Report, Statement } from './report.ts'

/** Fields that Cutover sets on every request. */
const ALWAYS_SET: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-request-id',
  'traceparent',
])

/** Changes of header fields, collected from directives. */
export class Fields {
  private readonly edits = {
    request: { set: new Map<string, string>(), remove: new Set<string>() },
    response: { set: new Map<string, string>(), remove: new Set<string>() },
  }
  private readonly report: Report

  constructor(report: Report) {
    this.report = report
  }

  /** Sets a field. `value`: with the placeholders of Cutover; null = it has something that Cutover cannot say. */
  set(direction: 'request' | 'response', name: string, value: string | null, statement: Statement): void {
    const problem = this.problemOf(direction, name)
    if (problem !== null) this.report.notNeeded(statement, problem)
    else if (value === null)
      this.report.leftOut(
        statement,
        'a value holds text, {client}, {host}, {requestId}, {service}, {pool}, {version} and {server}; a hook can set any other (docs/programming.md)',
      )
    else if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      this.report.take(statement)
      this.edits[direction].set.set(name, value)
    } else this.report.leftOut(statement, 'Cutover takes no control characters and no text beyond Latin-1 in a field')
  }

  /** Notes that Cutover sets a field by itself. */
  isSetAnyway(name: string): boolean {
    return ALWAYS_SET.has(name.toLowerCase())
  }

  remove(direction: 'request' | 'response', name: string, statement: Statement): void {
    const problem = this.problemOf(direction, name)
    if (problem !== null) {
      this.report.notNeeded(statement, problem)
      return
    }
    this.report.take(statement)
    this.edits[direction].remove.add(name)
  }

  private problemOf(direction: 'request' | 'response', name: string): string | null {
    const problemOf = direction === 'request' ? requestFieldProblem : responseFieldProblem
    return problemOf(name.toLowerCase()) === null ? null : `Cutover sets ${name} itself as the connection needs it`
  }

  /** The section `headers`, if there is anything in it. */
  get settings(): Settings {
    const request = editsOf(this.edits.request)
    const response = editsOf(this.edits.response)
    if (request === null && response === null) return {}
    return { headers: { ...(request === null ? {} : { request }), ...(response === null ? {} : { response }) } }
  }
}

function editsOf({
  set,
  remove,
}: {
  set: ReadonlyMap<string, string>
  remove: ReadonlySet<string>
}): FieldEdits | null {
  if (set.size === 0 && remove.size === 0) return null
  return {
    ...(set.size === 0 ? {} : { set: Object.fromEntries(set) }),
    ...(remove.size === 0 ? {} : { remove: [...remove] }),
  }
}

/** Literal text in a value; null = Cutover would read a placeholder in it. */
export function literal(text: string): string | null {
  return /\{[A-Za-z]+\}/.test(text) ? null : text
}
