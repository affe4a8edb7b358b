import { randomBytes } from 'node:crypto'
import type { Actor } from './auth.ts'
import { cookies } from './preview-cookies.ts'

/** Of ours, at the origin of previews. */
export const SESSION_COOKIE = 'cutover_preview'
const TICKET_MS = 60_000
/** Since it was used last. */
const SESSION_MS = 3_600_000
const MAX_TICKETS = 100
const MAX_SESSIONS = 1_000
const MAX_COOKIES = 200

/** A browser that previews. */
export interface PreviewSession {
  readonly actor: Actor
  /** Names of the cookies that apps have set here: these are theirs. */
  readonly cookies: Set<string>
  usedAt: number
}

/**
 * How a browser, which has no token to send, gets to previews: somebody who has one asks for a link with a ticket, good
 * once and for a minute; opening it begins a session. Both are random, kept in memory, and of use for previews only.
 */
export class PreviewSessions {
  private readonly tickets = new Map<string, { readonly actor: Actor; readonly until: number }>()
  private readonly sessions = new Map<string, PreviewSession>()

  /** A ticket, and when it expires. */
  issue(actor: Actor): { readonly ticket: string; readonly expiresAt: Date } {
    const ticket = randomBytes(24).toString('base64url')
    put(this.tickets, ticket, { actor, until: performance.now() + TICKET_MS }, MAX_TICKETS)
    return { ticket, expiresAt: new Date(Date.now() + TICKET_MS) }
  }

  /** Begins the session that a ticket is good for; the cookie that carries it, or null for a used or unknown ticket. */
  redeem(ticket: string): string | null {
    const issued = this.tickets.get(ticket)
    this.tickets.delete(ticket)
    return issued === undefined || issued.until < performance.now() ? null : this.begin(issued.actor).cookie
  }

  begin(actor: Actor): { readonly session: PreviewSession; readonly cookie: string } {
    const id = randomBytes(24).toString('base64url')
    const session = { actor, cookies: new Set<string>(), usedAt: performance.now() }
    put(this.sessions, id, session, MAX_SESSIONS)
    return { session, cookie: `${SESSION_COOKIE}=${id}; HttpOnly; SameSite=Lax; Path=/preview/` }
  }

  /** The session that a Cookie field carries. */
  find(cookieField: string | undefined): PreviewSession | null {
    for (const { name, value } of cookies(cookieField)) {
      const session = name === SESSION_COOKIE ? this.sessions.get(value) : undefined
      if (session === undefined) continue
      if (performance.now() - session.usedAt > SESSION_MS) this.sessions.delete(value)
      else {
        session.usedAt = performance.now()
        return session
      }
    }
    return null
  }

  /** The app has set a cookie. */
  learn(session: PreviewSession, name: string): void {
    if (session.cookies.size < MAX_COOKIES) session.cookies.add(name)
  }
}

/** Beyond `max` the oldest goes. */
function put<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.set(key, value)
  const [oldest = ''] = map.keys()
  if (map.size > max) map.delete(oldest)
}
