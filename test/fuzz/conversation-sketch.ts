import type { RequestSketch } from './requests.ts'
import type { ResponseSketch } from './responses.ts'

export interface ConversationSketch {
  readonly exchanges: readonly { readonly request: RequestSketch; readonly response: ResponseSketch }[]
  readonly pipelined: boolean
  readonly cuts: readonly number[]
}
