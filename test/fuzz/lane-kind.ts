/** Properties of a lane: how its client and its server are connected, and whether requests are retried. */
export interface LaneKind {
  /** Whether the server speaks TLS. */
  readonly isSecure: boolean
  /** Whether every connection of the client begins with a PROXY header. */
  readonly isAnnounced: boolean
  /** Whether requests are retried. */
  readonly isRetried: boolean
}

/** The kind of the lane that plays the cases of this seed, so that a case that failed finds it again by its seed. */
export function kindOf(seed: number): LaneKind {
  return { isSecure: (seed & 1) === 1, isAnnounced: (seed & 2) === 2, isRetried: (seed & 4) === 4 }
}

/** Name of a kind of lane for reports. */
export function nameOf({ isSecure, isAnnounced, isRetried }: LaneKind): string {
  const names = [isAnnounced && 'PROXY headers', isSecure && 'a server behind TLS', isRetried && 'retries']
  return names.filter((name) => name !== false).join(', ') || 'plain'
}
