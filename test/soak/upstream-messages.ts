/** What a server of `rough` may be told to do to some of its requests. */
export const MODES = ['fine', 'reset', 'reset idle', 'stall', 'break off', 'nonsense'] as const
export type Mode = (typeof MODES)[number]

/** What was done to one request. */
export type Disturbance =
  /** The connection was reset instead of an answer. */
  | 'reset'
  /** No answer at all. */
  | 'stall'
  /** The body stopped, and nothing more came. */
  | 'stall in body'
  /** The connection ended in the body. */
  | 'break off'
  /** Bytes that are no answer. */
  | 'nonsense'
  /** Bytes in a body that are no part of it. */
  | 'nonsense in body'
  /** A whole, right answer, and another one behind it that nobody asked for. */
  | 'surplus'

export interface ToUpstream {
  readonly mode: Mode
}

export type FromUpstream =
  | { readonly type: 'listening'; readonly ports: Readonly<Record<string, number>> }
  | { readonly type: 'disturbed'; readonly id: string; readonly how: Disturbance }

/** Every request carries its name in this field, and every answer that of its request. */
export const ID_FIELD = 'x-soak-id'
