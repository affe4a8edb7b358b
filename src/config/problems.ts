import { closest, distance } from 'fastest-levenshtein'
import type { Problem } from './config.ts'

const MAX_SHOWN = 50
const MAX_PATH_CHARS = 300
const MAX_MESSAGE_CHARS = 1_000
const MAX_QUOTE_CHARS = 80
const MAX_SCAN_CHARS = 1_000

/** Joins `services` and `shop` to `services.shop`; an index, or a name with a dot, goes into brackets. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  if (!/^[\w$-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

/** One line for a log or terminal. */
export function formatProblem({ path, message }: Problem): string {
  return path === '' ? message : `${path}: ${message}`
}

/** The known name that was probably meant, if one is near: at most a third of its letters differ, ignoring case. */
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

/** Returns `; did you mean "balance"?`, or an empty string. */
export function suggestion(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`
}

/** Cuts a text from outside to at most `maxChars` characters. */
export function clipped(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text
}

/** Formats a value for a message: short, on one line, and without the user and password of a URL. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'keys and values'
  if (typeof value !== 'string') return clipped(String(value), MAX_QUOTE_CHARS)
  // Cut first: the value may be as long as a whole body.
  const start = value.slice(0, MAX_SCAN_CHARS).replace(/\/\/[^/\s]*@/g, '//(hidden)@')
  return clipped(JSON.stringify(start), MAX_QUOTE_CHARS)
}

/** The first problems, each of limited length, and the number of those left out. */
export function firstProblems(problems: readonly Problem[]): {
  readonly shown: readonly Problem[]
  readonly more: number
} {
  const shown = problems.slice(0, MAX_SHOWN).map(({ path, message }) => ({
    path: clipped(path, MAX_PATH_CHARS),
    message: clipped(message, MAX_MESSAGE_CHARS),
  }))
  return { shown, more: problems.length - shown.length }
}

/** One line for each of the first problems, and one with the number of the others. */
export function problemLines(problems: readonly Problem[]): string[] {
  const { shown, more } = firstProblems(problems)
  return [...shown.map(formatProblem), ...(more === 0 ? [] : [`and ${more} more`])]
}

/** Collects problems, so that all can be reported at once. */
export class Problems {
  readonly list: Problem[] = []

  add(path: string, message: string): void {
    this.list.push({ path, message })
  }

  /** Whether there are as many as are ever shown, so that suggestions for further ones are not worth computing. */
  get areEnough(): boolean {
    return this.list.length >= MAX_SHOWN
  }

  /**
   * Whether there is a problem at, below or above `path`, so that its value cannot be relied on. Returns true without a
   * search once there are enough problems, since the list would be searched for every server of a definition.
   */
  has(path: string): boolean {
    if (this.areEnough) return true
    return this.list.some((problem) => isWithin(problem.path, path) || isWithin(path, problem.path))
  }
}

function isWithin(inner: string, outer: string): boolean {
  return outer === '' || inner === outer || (inner.startsWith(outer) && /[.[]/.test(inner.charAt(outer.length)))
}
