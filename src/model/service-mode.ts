/** What becomes of the requests of a service that is not serving. */
export type ServiceMode = PausedMode | StoppedMode

/** Requests are held until the service is resumed. */
export interface PausedMode {
  readonly kind: 'paused'
  /** Max time that a request is held; then it is answered 504. */
  readonly forMs: number
  /** Max requests held by each instance; further ones are answered 503. 0 = no limit of its own. */
  readonly maxHeld: number
}

/** Requests are answered by Cutover. */
export interface StoppedMode {
  readonly kind: 'stopped'
  /** Text of the answer. */
  readonly message: string
  readonly status: number
  /** Retry-After of the answer in seconds; null = none. */
  readonly retryAfterSeconds: number | null
}
