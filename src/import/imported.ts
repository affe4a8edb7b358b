import type { ProxyDraft } from './draft.ts'
import type { Rule } from './rules.ts'

/** What has been read from the configuration of another proxy. */
export interface Imported {
  readonly proxy: ProxyDraft
  /** In order; the first that fits decides. */
  readonly rules: readonly Rule[]
}
