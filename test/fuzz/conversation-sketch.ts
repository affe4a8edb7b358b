import type { AnnouncementSketch } from './announcement.ts'
import type { RequestSketch } from './requests.ts'
import type { ResponseSketch } from './responses.ts'
import type { TunnelSketch } from './tunnels.ts'

export interface ConversationSketch {
  readonly exchanges: readonly { readonly request: RequestSketch; readonly response: ResponseSketch }[]
  /** Behind the exchanges; null = none. */
  readonly tunnel: TunnelSketch | null
  /** For a lane where clients open with a PROXY header. */
  readonly announcement: AnnouncementSketch
  readonly pipelined: boolean
  readonly cuts: readonly number[]
}
