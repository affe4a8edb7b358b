import { signal } from '@preact/signals'

/** What the page shows, as its address says behind the #. */
export type Route =
  | { readonly view: 'overview' }
  | { readonly view: 'service'; readonly service: string }
  | { readonly view: 'rollout'; readonly service: string; readonly rollout: string }
  | { readonly view: 'history'; readonly service: string }
  | { readonly view: 'explain'; readonly service: string | null }
  | { readonly view: 'fleet' }
  | { readonly view: 'events'; readonly service: string | null }
  | { readonly view: 'unknown' }

export const route = signal<Route>(read())

addEventListener('hashchange', () => {
  route.value = read()
  scrollTo(0, 0)
  // Screen readers and the keyboard go on at the heading of the new view.
  queueMicrotask(() => document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true }))
})

function read(): Route {
  const parts = location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map(decoded)
  const [first, service, what, id] = parts
  if (first === undefined) return { view: 'overview' }
  if (first === 'fleet' && parts.length === 1) return { view: 'fleet' }
  if (first === 'events' && parts.length <= 2) return { view: 'events', service: service ?? null }
  if (first === 'explain' && parts.length <= 2) return { view: 'explain', service: service ?? null }
  if (first !== 'services' || service === undefined) return { view: 'unknown' }
  if (what === undefined) return { view: 'service', service }
  if (what === 'history' && id === undefined) return { view: 'history', service }
  if (what === 'rollouts' && id !== undefined && parts.length === 4) return { view: 'rollout', service, rollout: id }
  return { view: 'unknown' }
}

/** The address of a view. */
export function linkTo(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
