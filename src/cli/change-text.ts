type Members = Readonly<Record<string, unknown>>

/**
 * What a change has changed, on one line: `blue 100 → green 100` for splits, otherwise the members that differ, such as
 * `servers.blue1: ready → drain`. `from` and `to` are those of the history, or `before` and `after` of an event.
 */
export function changeText(from: unknown, to: unknown): string {
  if (isSplit(from) && isSplit(to)) return `${sharesOf(from)} → ${sharesOf(to)}`
  const before = isMembers(from) ? leavesOf(from) : new Map([['', from]])
  const after = isMembers(to) ? leavesOf(to) : new Map([['', to]])
  // One of the two may be a single value, such as null before the first definition.
  const keys = [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) => key !== '' || before.size + after.size === 2,
  )
  const parts = keys
    .filter((key) => shown(before.get(key)) !== shown(after.get(key)))
    .map((key) => `${key === '' ? '' : `${key}: `}${arrow(before.get(key), after.get(key))}`)
  return parts.join(', ')
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

/** The values within a document by their paths. */
function leavesOf(members: Members, path = ''): Map<string, unknown> {
  const leaves = new Map<string, unknown>()
  for (const [key, value] of Object.entries(members)) {
    const at = path === '' ? key : `${path}.${key}`
    if (isMembers(value)) for (const leaf of leavesOf(value, at)) leaves.set(...leaf)
    else leaves.set(at, value)
  }
  return leaves
}

function isNone(value: unknown): boolean {
  return value === undefined || value === null
}

function shown(value: unknown): string {
  if (isNone(value)) return 'none'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
