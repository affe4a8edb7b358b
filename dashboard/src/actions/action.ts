import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'

/** What a change has answered. */
export interface Done {
  readonly revision: number
  readonly changed: boolean
}

/** How a change is to be made. */
export interface How {
  /** For the history; empty = none is given. */
  readonly reason: string
  /** Though it breaks a promise. */
  readonly force: boolean
}

/** Pools and servers whose requests in flight end by themselves after a change; of the pools, those that have no share then. */
export interface Drains {
  readonly pools: readonly string[]
  readonly servers: readonly { readonly pool: string; readonly name: string }[]
}

/** Something that somebody can do to a service. */
export interface Action {
  readonly title: string
  readonly service: string
  /** Label of the button that does it. */
  readonly verb: () => string
  /** Inputs, if it has any. */
  readonly fields?: () => ComponentChildren
  /** What will happen, in sentences; from the state as it is now. */
  readonly consequences: () => readonly string[]
  /** Why it cannot be done as it is entered; null = it can. */
  readonly obstacle?: () => string | null
  /** Whether requests fail because of it, so that it asks twice. */
  readonly isDangerous?: () => boolean
  /** Makes the change. Throws ApiError. */
  readonly run: (how: How) => Promise<Done>
  /** What drains once it is done; by the state before. */
  readonly drains?: () => Drains
  /** The way back; null = there is none by one click. */
  readonly undo?: () => Action | null
}

/** The action that is asked about, and why it was refused already, if it was; null = none. */
export const asked = signal<{ readonly action: Action; readonly refusal: unknown } | null>(null)

/** Opens the dialog of an action. `refusal`: the error with which it has failed; null = it was not tried. */
export function ask(action: Action, refusal: unknown = null): void {
  asked.value = { action, refusal }
}

/** The options of a change. */
export function optionsOf({ reason, force }: How): { readonly reason?: string; readonly force?: true } {
  return { ...(reason.trim() === '' ? {} : { reason: reason.trim() }), ...(force ? { force: true as const } : {}) }
}
