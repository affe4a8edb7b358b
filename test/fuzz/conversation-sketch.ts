import type { AnnouncementSketch } from './announcement.ts'
import type { FirstTry } from './plan.ts'
import type { RequestSketch } from './requests.ts'
import type { ResponseSketch } from './responses.ts'
import type { TunnelSketch } from './tunnels.ts'

export interface ExchangeSketch {
  readonly request: RequestSketch
  readonly response: ResponseSketch
  /** Applies in lanes where requests are retried. */
  readonly firstTry: FirstTry | null
}

export interface ConversationSketch {
  readonly exchanges: readonly ExchangeSketch[]
  /** Opened after the exchanges; null = none. */
  readonly tunnel: TunnelSketch | null
  /** Applies in lanes whose clients begin with a PROXY header. */
  readonly announcement: AnnouncementSketch
  readonly pipelined: boolean
  readonly cuts: readonly number[]
}
