import type { Refusal } from './refusal.ts'
import type { AppliedConfiguration, Change, JsonValue, Service } from './state.ts'

/**
 * The effect of a command on one service: the service before and after (null = does not exist), and its history entry.
 */
export interface Edit {
  readonly before: Service | null
  readonly after: Service | null
  readonly service: string
  readonly action: string
  readonly from: JsonValue
  readonly to: JsonValue
}

/** An entry in the history of a service without a change of it. */
export type Note = Pick<Edit, 'service' | 'action' | 'from' | 'to'>

/** The edits of a command, or the reason why it is refused. */
export type Draft =
  | {
      readonly edits: readonly Edit[]
      readonly configuration?: AppliedConfiguration
      /** Documents of other kinds that the same change writes or removes. */
      readonly collections?: NonNullable<Change['collections']>
      /** Entries in the history of services that do not change. */
      readonly notes?: readonly Note[]
      /** A promise that the command would break, beside those that follow from the edits; `force` overrides it. */
      readonly unsafe?: string
    }
  | Refusal

/** Refuses a name that does not exist, and lists those that do. */
export function unknown(what: string, name: string, known: readonly string[]): Refusal {
  return { kind: 'unknown', what, name, known }
}
