/** Figures of the events of an instance. */
export interface EventFigures {
  /** Readers of events that are connected. */
  readonly readers: number
  readonly readersCut: number
  /** Events that too many others kept from waiting for the store. */
  readonly dropped: number
  readonly webhooks: readonly {
    readonly webhook: string
    readonly delivered: number
    readonly refused: number
    readonly failed: number
    readonly dropped: number
    readonly backlog: number
  }[]
}
