import { ID_COOKIE } from '../routing/cohort.ts'
import type { ClientRequest } from './client-request.ts'

/** 400 days, the max lifetime that browsers grant. */
const ID_SECONDS = 400 * 86_400

/** Returns the Set-Cookie lines for what policies have issued to the client of a request; mostly empty. */
export function cookieLines(request: ClientRequest): string {
  return request.newId === '' ? '' : cookieLine(ID_COOKIE, request.newId, ID_SECONDS, request.isSecure)
}

function cookieLine(name: string, value: string, maxAgeSeconds: number, isSecure: boolean): string {
  const secure = isSecure ? '; Secure' : ''
  return `set-cookie: ${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}\r\n`
}
