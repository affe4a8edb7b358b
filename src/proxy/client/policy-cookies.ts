import { ID_COOKIE } from '../../model/traffic-policies.ts'
import type { ServiceRoute } from '../routing/service-route.ts'
import type { Target } from '../upstream/target.ts'
import type { ClientRequest } from './client-request.ts'

/** 400 days, the max lifetime that browsers grant. */
const ID_SECONDS = 400 * 86_400

/**
 * Returns the Set-Cookie lines for what policies issue to the client of a request; mostly empty. `target`: the server that
 * has answered; null = none.
 */
export function cookieLines(request: ClientRequest, { sticky }: ServiceRoute, target: Target | null): string {
  const { newId, isSecure } = request
  const lines = newId === '' ? '' : cookieLine(ID_COOKIE, newId, ID_SECONDS, isSecure)
  const value = sticky === null || target === null ? null : sticky.issue(request, target)
  return sticky === null || value === null
    ? lines
    : lines + cookieLine(sticky.cookie, value, sticky.maxAgeSeconds, isSecure)
}

function cookieLine(name: string, value: string, maxAgeSeconds: number, isSecure: boolean): string {
  const secure = isSecure ? '; Secure' : ''
  return `set-cookie: ${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}\r\n`
}
