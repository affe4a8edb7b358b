import type { ComponentChildren } from 'preact'
import type { Level } from '../live/standing.ts'

const SIGNS: Readonly<Record<Level, string>> = { bad: '✕', warn: '!', info: 'i', ok: '✓' }

/** A short remark, whose level is told by its sign as well as by its color. */
export function Chip({ level, children }: { level: Level; children: ComponentChildren }) {
  return (
    <span class={`chip ${level}`}>
      <i aria-hidden="true">{SIGNS[level]}</i>
      <span>{children}</span>
    </span>
  )
}
