/** Where the spans of requests go, and of which requests. Source: SPEC §11. */
export interface TracingSettings {
  /** URL that takes them by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string
  /** Share of the traces that begin here and are recorded, 0 to 1. */
  readonly sample: number
}
