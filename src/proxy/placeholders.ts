import type { Placeholder } from '../model/header-policy.ts'
import type { ClientRequest } from './client/client-request.ts'
import type { RequestHead } from './client/request-head.ts'

/** What has been decided for a request so far. */
interface RoutedSoFar {
  readonly route: { readonly table: { readonly name: string } }
  readonly pool: { readonly name: string; readonly version: string } | null
  readonly target: { readonly name: string } | null
}

/** A request that placeholders are about. */
export interface PlaceholderSubject {
  readonly head: Pick<RequestHead, 'host'>
  readonly requestId: string
  /** null = no service was found. */
  readonly tries: RoutedSoFar | null
  readonly routed: ClientRequest
}

/** The value of a placeholder for a request; empty = not known, such as the server of a request that got none. */
export function placeholderValue(
  placeholder: Placeholder,
  { head, requestId, tries, routed }: PlaceholderSubject,
): string {
  switch (placeholder) {
    case 'client':
      return routed.address ?? 'unix'
    case 'host':
      return head.host
    case 'requestId':
      return requestId
    case 'service':
      return tries?.route.table.name ?? ''
    case 'pool':
      return tries?.pool?.name ?? ''
    case 'version':
      return tries?.pool?.version ?? ''
    case 'server':
      return tries?.target?.name ?? ''
  }
}
