/** Changes to the header of a message. */
export interface FieldEdits {
  /** Values by name; existing fields of these names are replaced. Values may hold placeholders such as `{version}`. */
  readonly set: Readonly<Record<string, string>>
  /** Names of fields to remove. */
  readonly remove: readonly string[]
}

/** What a service changes in the headers of its requests to servers, and of its responses to clients. */
export interface HeaderPolicy {
  readonly request: FieldEdits
  readonly response: FieldEdits
}

/** The placeholders in values of fields: `{client}` is the client's address, and so on. */
export const PLACEHOLDERS = ['client', 'host', 'requestId', 'service', 'pool', 'version', 'server'] as const

export type Placeholder = (typeof PLACEHOLDERS)[number]

/** Splits a value into texts and names of placeholders in braces, alternating, a text first. */
export function splitPlaceholders(value: string): readonly string[] {
  // Braces around anything else, as in JSON, are text.
  return value.split(/\{([A-Za-z]+)\}/)
}
