/** Redirect of all requests of a plain listener to https. */
export interface HttpsRedirect {
  /** Port in the address; 443 is not written. */
  readonly port: number
  readonly status: RedirectStatus
}

export type RedirectStatus = 301 | 302 | 307 | 308

/** Keeps the method and the body, as Caddy does. */
export const DEFAULT_REDIRECT: HttpsRedirect = { port: 443, status: 308 }
