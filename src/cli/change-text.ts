type Members = Readonly<Record<string, unknown>>

/**
 * What a change has changed, on one line: `blue 100 → green 100` for splits, otherwise the members that differ, such as
 * `servers.blue1: ready → drain`. `from` and `to` are those of the history, or `before` and `after` of an event.
 */
export function changeText(from: unknown, to: unknown): string {
  if (isSplit(from) && isSplit(to)) return `${sharesOf(from)} → ${sharesOf(to)}`
  return differences(from, to)
    .map(({ path, text }) => (path === '' ? text : `${path}: ${text}`))
    .join(', ')
}

/** A value within a document that differs; `text`: `ready → drain`, the value if it is new, or that it was removed. */
export interface Difference {
  readonly path: string
  readonly text: string
}

/** The values that differ between two documents. */
export function differences(from: unknown, to: unknown): Difference[] {
  const before = leavesOf(from)
  const after = leavesOf(to)
  const paths = [...new Set([...before.keys(), ...after.keys()])]
  return (
    paths
      // A document that is there on one side only is seen by its values.
      .filter((path) => path !== '' || (before.size === 1 && after.size === 1))
      .filter((path) => shown(before.get(path)) !== shown(after.get(path)))
      .map((path) => ({ path, text: arrow(before.get(path), after.get(path)) }))
  )
}

function arrow(before: unknown, after: unknown): string {
  if (isNone(before)) return shown(after)
  if (after === undefined) return 'removed'
  return `${shown(before)} → ${shown(after)}`
}

function sharesOf(split: Readonly<Record<string, number>>): string {
  const shares = Object.entries(split).filter(([, share]) => share > 0)
  return shares.map(([pool, share]) => `${pool} ${share}`).join(', ') || 'none'
}

function isSplit(value: unknown): value is Readonly<Record<string, number>> {
  return isMembers(value) && Object.values(value).every((each) => typeof each === 'number')
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The values within a document by their paths; of a single value, that of the empty path. */
function leavesOf(document: unknown, path = ''): Map<string, unknown> {
  if (!isMembers(document)) return new Map([[path, document]])
  const within = Object.entries(document).flatMap(([key, value]) => [
    ...leavesOf(value, path === '' ? key : `${path}.${key}`),
  ])
  return new Map(within)
}

function isNone(value: unknown): boolean {
  return value === undefined || value === null
}

function shown(value: unknown): string {
  if (isNone(value)) return 'none'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
