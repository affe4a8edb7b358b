import type { Problem } from '../model/refusal.ts'
import type { ServiceSpec } from '../model/spec.ts'
import type { JsonObject } from '../model/state.ts'

/** Resolves the definition of a service to its specification; implemented in `config`. */
export type Resolve = (
  name: string,
  source: JsonObject,
) => { readonly ok: true; readonly spec: ServiceSpec } | { readonly ok: false; readonly problems: readonly Problem[] }
