/** One thing wrong, and where. */
export interface Problem {
  /** Dotted path from the top of what was given: `services.shop.balance`, `proxy.listen[1]`. */
  readonly path: string
  /** What is wrong and what would be right, in one sentence. */
  readonly message: string
}

/** Why a command was not carried out. Nothing was changed. */
export type Refusal =
  /** A name that does not exist; `known` are those that do. */
  | { readonly kind: 'unknown'; readonly what: string; readonly name: string; readonly known: readonly string[] }
  /** Values that make no sense; all of them. */
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
  /** Would break a promise; `force` overrides. */
  | { readonly kind: 'unsafe'; readonly detail: string }
  /** Does not fit the state as it is, whoever insists. */
  | { readonly kind: 'conflict'; readonly detail: string }
  /** The resource has changed since the revision that the caller saw. */
  | { readonly kind: 'moved'; readonly expected: number; readonly actual: number }
