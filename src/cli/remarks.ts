import type { Terminal } from './output/terminal.ts'
import { harmless } from './output/text.ts'

/** What an answer of the API says about itself, beside its content. */
export interface Remarkable {
  readonly stale?: true
  readonly leftOut?: readonly string[]
  readonly cannotFollow?: unknown
  readonly mayBeLost?: true
  readonly overrides?: readonly { readonly instance: string; readonly what: string }[]
  readonly scope?: 'local'
}

/** Tells people what an answer says about itself: how far it can be relied on, and what to do. */
export function tellRemarks(terminal: Terminal, answer: Remarkable): void {
  const lines = remarksOf(answer)
  terminal.tell(...lines.map((line) => `${terminal.paintError('yellow', 'note:')} ${harmless(line)}`))
}

function remarksOf({ stale, leftOut = [], cannotFollow, mayBeLost, overrides = [], scope }: Remarkable): string[] {
  const lines: string[] = []
  if (stale) lines.push('the store is away: this is the last known state, and others may have changed it')
  if (scope === 'local') lines.push('only this instance was changed, until the store takes changes again')
  if (leftOut.length > 0) {
    const names = leftOut.join(', ')
    lines.push(`not heard of: ${names}; what is in force and in flight there is unknown (cutover instances)`)
  }
  if (Array.isArray(cannotFollow) && cannotFollow.length > 0)
    lines.push(`${cannotFollow.join(', ')} cannot read this definition, and goes on with the last one that it can read`)
  if (mayBeLost) lines.push('no replica of the store has the change yet: a fail-over now would lose it')
  for (const { instance, what } of overrides) lines.push(`${instance} is overridden: ${what}`)
  return lines
}
