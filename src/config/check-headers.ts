import { requestFieldProblem, responseFieldProblem } from '../model/changeable-fields.ts'
import { type HeaderPolicy, PLACEHOLDERS, splitPlaceholders } from '../model/header-policy.ts'
import { checkFieldNames } from './field-names.ts'
import { childPath, type Problems, suggestion } from './problems.ts'
import { isKeyed } from './read.ts'

/** Checks the names and placeholders in `headers`. It may have gaps where `problems` already has an entry. */
export function checkHeaders(headers: HeaderPolicy, path: string, problems: Problems): void {
  for (const direction of ['request', 'response'] as const) {
    const edits = headers[direction]
    if (!isKeyed(edits)) continue
    const at = childPath(path, direction)
    const problemOf = direction === 'request' ? requestFieldProblem : responseFieldProblem
    if (isKeyed(edits.set)) {
      const set = childPath(at, 'set')
      checkFieldNames(Object.keys(edits.set), set, problems, problemOf)
      for (const [name, value] of Object.entries(edits.set)) checkPlaceholders(value, childPath(set, name), problems)
    }
    if (!Array.isArray(edits.remove)) continue
    for (const [index, name] of edits.remove.entries()) {
      const problem = typeof name === 'string' ? problemOf(name.toLowerCase()) : null
      if (problem !== null) problems.add(childPath(childPath(at, 'remove'), index), problem)
    }
  }
}

function checkPlaceholders(value: unknown, path: string, problems: Problems): void {
  if (typeof value !== 'string' || problems.has(path)) return
  const known: readonly string[] = PLACEHOLDERS
  const unknown = splitPlaceholders(value).find((part, i) => i % 2 === 1 && !known.includes(part))
  if (unknown === undefined) return
  const hint = suggestion(unknown, PLACEHOLDERS)
  const names = PLACEHOLDERS.map((name) => `{${name}}`).join(', ')
  problems.add(path, `has the unknown placeholder {${unknown}}${hint} (${names})`)
}
