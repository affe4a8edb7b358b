import type { KeySource } from '../../model/traffic-policies.ts'
import { pathOf, type RoutedRequest } from './routed-request.ts'

/** Returns the value of a request by which it is decided; null = the request has none. */
export function keyOf(source: KeySource, request: RoutedRequest): string | null {
  switch (source.from) {
    case 'ip':
      return request.address
    case 'path':
      return pathOf(request.target)
    case 'header':
      return request.header(source.name) || null
    case 'cookie':
      return request.cookie(source.name) || null
  }
}
