/** Format of the lines of the access log. */
export type AccessLogFormat = 'json' | 'combined' | 'logfmt'

/** Settings of the access log. */
export interface AccessLogSettings {
  readonly format: AccessLogFormat
  /** Share of the requests that are logged, 0 to 1. */
  readonly sample: number
  /** Path of the file; empty = standard output. */
  readonly file: string
}
