/** A problem in the caller's input, and its place. */
export interface Problem {
  /** Dotted path from the top of the input: `services.shop.balance`, `proxy.listen[1]`. */
  readonly path: string
  /** The problem and how to correct it, in one sentence. */
  readonly message: string
}

/** The reason why a command was not carried out. Nothing was changed. */
export type Refusal =
  /** The command names a `what` (service, pool, …) that does not exist; `known` are those that do. */
  | { readonly kind: 'unknown'; readonly what: string; readonly name: string; readonly known: readonly string[] }
  /** The input has invalid values; `problems` lists all of them. */
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
  /** The change could lose requests; `force` overrides. */
  | { readonly kind: 'unsafe'; readonly detail: string }
  /** The command does not fit the current state; `force` does not override. */
  | { readonly kind: 'conflict'; readonly detail: string }
  /** The resource has changed since the revision that the caller saw. */
  | { readonly kind: 'moved'; readonly expected: number; readonly actual: number }
