/** The properties of a request that policies decide by. */
export interface RoutedRequest {
  readonly method: string
  /** Path and query, as the client sent them. */
  readonly target: string
  /** Address of the client; null = a peer at a socket file. */
  readonly address: string | null
  /** Values of a header field by its lower-case name, joined by `, `; null = there is none. */
  header(name: string): string | null
  /** Value of a cookie, the first one of that name; null = there is none. */
  cookie(name: string): string | null
  /** Returns the id that Cutover issues to this client with the response; the same one at each call. */
  issuedId(): string
}

/** The path of a request target, without the query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}
