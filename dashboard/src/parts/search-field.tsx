import type { Signal } from '@preact/signals'

/** The search of a view, which `/` leads to and Esc empties. */
export function SearchField({
  label,
  placeholder,
  query,
}: {
  label: string
  placeholder: string
  query: Signal<string>
}) {
  return (
    <label class="search">
      <span class="visually-hidden">{label}</span>
      <input
        id="search"
        type="search"
        placeholder={`${placeholder}   ( / )`}
        value={query.value}
        onInput={({ currentTarget }) => {
          query.value = currentTarget.value
        }}
      />
    </label>
  )
}
