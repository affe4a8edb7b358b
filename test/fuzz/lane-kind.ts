/** What lies between the client and the server of a lane, beside the proxy. */
export interface LaneKind {
  /** The server speaks TLS. */
  readonly isSecure: boolean
  /** Every connection of the client opens with a PROXY header. */
  readonly isAnnounced: boolean
  /** A request may be tried a second time. */
  readonly isRetried: boolean
}

/** The kind of the lane that plays the cases of this seed, so that a case that failed finds it again by its seed. */
export function kindOf(seed: number): LaneKind {
  return { isSecure: (seed & 1) === 1, isAnnounced: (seed & 2) === 2, isRetried: (seed & 4) === 4 }
}

/** What the report calls it. */
export function nameOf({ isSecure, isAnnounced, isRetried }: LaneKind): string {
  const names = [isAnnounced && 'PROXY headers', isSecure && 'a server behind TLS', isRetried && 'retries']
  return names.filter((name) => name !== false).join(', ') || 'plain'
}
