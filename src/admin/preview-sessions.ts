import { randomBytes } from 'node:crypto'
import type { Actor } from './auth.ts'
import { cookies } from './preview-cookies.ts'

/** Cookie of Cutover at the origin of previews. */
export const SESSION_COOKIE = 'cutover_preview'
const TICKET_MS = 60_000
/** Time from the last use to the end of a session. */
const SESSION_MS = 3_600_000
const MAX_TICKETS = 100
const MAX_SESSIONS = 1_000
const MAX_COOKIES = 200

/** The session of a browser. */
export interface PreviewSession {
  readonly actor: Actor
  /** Names of the cookies that apps have set in this session; only these are passed to apps. */
  readonly cookies: Set<string>
  usedAt: number
}

/**
 * Tickets and sessions for browsers, which have no token to send. A caller with a token asks for a link with a ticket, valid
 * once, for a minute; opening the link begins a session. Both are random, kept in memory, and valid for previews only.
 */
export class PreviewSessions {
  private readonly tickets = new Map<string, { readonly actor: Actor; readonly until: number }>()
  private readonly sessions = new Map<string, PreviewSession>()

  /** Makes a ticket. */
  issue(actor: Actor): { readonly ticket: string; readonly expiresAt: Date } {
    const ticket = randomBytes(24).toString('base64url')
    put(this.tickets, ticket, { actor, until: performance.now() + TICKET_MS }, MAX_TICKETS)
    return { ticket, expiresAt: new Date(Date.now() + TICKET_MS) }
  }

  /** Begins a session for a ticket; returns its Set-Cookie field, or null for a used, expired or unknown ticket. */
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

  /** Records that an app has set a cookie. */
  learn(session: PreviewSession, name: string): void {
    if (session.cookies.size < MAX_COOKIES) session.cookies.add(name)
  }
}

/** Adds an entry, and removes the oldest one beyond `max`. */
function put<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.set(key, value)
  const [oldest = ''] = map.keys()
  if (map.size > max) map.delete(oldest)
}
