import type { Refusal } from './refusal.ts'
import type { AppliedConfiguration, JsonValue, Service } from './state.ts'

/** What one command does to one service: the service after it (null = gone), and how the history tells it. */
export interface Edit {
  readonly before: Service | null
  readonly after: Service | null
  readonly service: string
  readonly action: string
  readonly from: JsonValue
  readonly to: JsonValue
}

/** The edits of a command, or why there are none to make. */
export type Draft = { readonly edits: readonly Edit[]; readonly configuration?: AppliedConfiguration } | Refusal

/** A name that does not exist, with those that do. */
export function unknown(what: string, name: string, known: readonly string[]): Refusal {
  return { kind: 'unknown', what, name, known }
}
