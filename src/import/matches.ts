import type { Conditions, Match } from './draft.ts'

/** The match that holds where both hold; null = it cannot be said, as both ask for the same thing. */
export function both(a: Match | null, b: Match | null): Match | null {
  if (a === null || b === null) return a ?? b
  const [first, second] = [a as Record<string, unknown>, b as Record<string, unknown>]
  const merged: Record<string, unknown> = { ...first }
  for (const [key, value] of Object.entries(second)) {
    if (merged[key] === undefined) merged[key] = value
    else if (key === 'header' || key === 'cookie' || key === 'query') {
      const names = { ...(merged[key] as object), ...(value as object) }
      if (Object.keys(names).length < Object.keys(merged[key] as object).length + Object.keys(value as object).length)
        return null
      merged[key] = names
    } else if (JSON.stringify(merged[key]) !== JSON.stringify(value)) return null
  }
  return merged as Match
}

/** The match that holds where another one does not; null = it cannot be said. */
export function negated(match: Match): Match | null {
  const { not, ...rest } = match
  if (not === undefined) return { not: rest }
  return Object.keys(rest).length === 0 ? (not as Conditions as Match) : null
}
