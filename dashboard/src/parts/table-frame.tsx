import type { ComponentChildren } from 'preact'

/** The place of a table that is wider than a small screen: it scrolls by itself. */
export function TableFrame({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys scroll what has the focus
    <section class="table" aria-label={label} tabIndex={0}>
      {children}
    </section>
  )
}
