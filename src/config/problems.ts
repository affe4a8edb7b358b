import { closest, distance } from 'fastest-levenshtein'
import type { Problem } from './config.ts'

/** `services` and `shop` → `services.shop`; an index or a name that would blur the dots goes into brackets. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  if (!/^[\w$-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

/** One line for people. */
export function formatProblem({ path, message }: Problem): string {
  return path === '' ? message : `${path}: ${message}`
}

/** The known name that was probably meant, if any is near: at most a third of the letters differ, case aside. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0 || name.length > 100) return undefined
  const lower = name.toLowerCase()
  const candidate = closest(
    lower,
    known.map((each) => each.toLowerCase()),
  )
  const near = distance(lower, candidate) <= Math.max(1, Math.floor(candidate.length / 3))
  return near ? known.find((each) => each.toLowerCase() === candidate) : undefined
}

/** `; did you mean "balance"?` or nothing. */
export function suggestion(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`
}

/** A value as a message may quote it: short, on one line. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'keys and values'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 76)}…` : text
}

/** Collects what is wrong, so that everything can be told at once. */
export class Problems {
  readonly list: Problem[] = []

  add(path: string, message: string): void {
    this.list.push({ path, message })
  }

  /** Whether something at, below or around `path` is known to be wrong, so that nothing follows from its value. */
  has(path: string): boolean {
    return this.list.some((problem) => isWithin(problem.path, path) || isWithin(path, problem.path))
  }
}

function isWithin(inner: string, outer: string): boolean {
  return outer === '' || inner === outer || (inner.startsWith(outer) && /[.[]/.test(inner.charAt(outer.length)))
}
