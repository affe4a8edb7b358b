import type { PlannedAnnouncement } from './announcement.ts'
import type { Field } from './wire.ts'

/** Expected fate of a request. */
export type RequestFate =
  /** The server receives it. */
  | 'forwarded'
  /** The client gets a refusal and its connection closes; the server sees nothing of the request. */
  | 'refused'
  /** The same because of its body: the server may have seen the beginning. */
  | 'refused late'
  /** The RFC allows refusing it as well as forwarding it. */
  | 'forwarded or refused'
  /** The client leaves before its end. */
  | 'abandoned'
  /** The client waits for a 100 and gets the final response instead: the server sees the head, and never the body. */
  | 'declined'

/** Expected fate of a response. */
export type ResponseFate =
  | 'whole'
  /** 502. */
  | 'bad'
  /** The client gets a 502, or a response that is broken off if its mistake is behind the head: never a clean end. */
  | 'broken'
  /** The RFC allows any of these; but a clean end means that the response is right. */
  | 'whole or bad'

export interface PlannedRequest {
  readonly method: string
  readonly version: '1.0' | '1.1'
  /** The pieces in which it is sent. */
  readonly pieces: readonly Buffer[]
  /** Pieces that are sent only after a 100. */
  readonly held: readonly Buffer[]
  /** Whether the server must see that the client expects a 100. */
  readonly expects: boolean
  readonly fate: RequestFate
  /** How the client leaves before its end; null = it does not. */
  readonly leaves: 'fin' | 'reset' | null
  /** Whether it asks for another protocol. */
  readonly upgrades: boolean
  /** Whether the client's connection ends with the answer. */
  readonly closes: boolean | 'maybe'
  // The request as the server must see it.
  readonly target: string
  readonly fields: readonly Field[]
  readonly body: Buffer
}

export interface PlannedResponse {
  readonly fate: ResponseFate
  /** The pieces in which it is sent, 1xx responses included. */
  readonly pieces: readonly Buffer[]
  /** Fate of the server's connection after it. */
  readonly ending: 'keep' | 'fin' | 'reset'
  /** Whether it is sent as soon as the request's head has arrived. */
  readonly early: boolean
  /** Whether a 100 is sent as soon as the request's head has arrived. */
  readonly continues: boolean
  // The response as the client must see it.
  readonly status: number
  readonly fields: readonly Field[]
  readonly body: Buffer
  readonly trailers: readonly Field[]
  /** Statuses of the 1xx before it. */
  readonly interim: readonly number[]
}

export interface PlannedExchange {
  /** Unique; part of the request's target, of one of its fields, and of a field of the response. */
  readonly id: string
  readonly request: PlannedRequest
  readonly response: PlannedResponse
  /** Names of its mistakes, for reports. */
  readonly faults: readonly string[]
  /** The tunnel after the server's 101; null = the server does not answer 101. */
  readonly tunnel: PlannedTunnel | null
  /** How the server fails the first try; null = it does not. */
  readonly firstTry: FirstTry | null
  /** Max number of times that the server may see it, whole or not. */
  readonly tries: number
  /** Number of times that the server receives it whole. */
  readonly seen: { readonly least: number; readonly most: number }
}

/** End of a server's connection without a response, after the head of a request or after all of it. */
export interface FirstTry {
  readonly behind: 'head' | 'whole'
  readonly ending: 'fin' | 'reset'
}

/** The bytes of both directions after a 101. */
export interface PlannedTunnel {
  readonly toServer: Buffer
  readonly toClient: Buffer
  /** The part of `toServer` that the client sends after the 101, in pieces; the rest comes with its request. */
  readonly later: readonly Buffer[]
  readonly end: TunnelEnd
}

/** End of a tunnel, after all its bytes. After a FIN of one end, the other one ends its side, too. */
export interface TunnelEnd {
  readonly by: 'client' | 'server'
  readonly how: 'fin' | 'reset'
}

/** The exchanges on one client connection. */
export interface PlannedConversation {
  /** The PROXY header with which it begins; null = none. */
  readonly announcement: PlannedAnnouncement | null
  readonly exchanges: readonly PlannedExchange[]
  /** The pieces of all requests, sent at once; null = each request is sent after the response to the one before. */
  readonly pipelined: readonly Buffer[] | null
}

/** Names of the fields with the id of the exchange: in the request, and in the response. */
export const REQUEST_ID_FIELD = 'x-asked'
export const RESPONSE_ID_FIELD = 'x-answer-to'

export const ID_LENGTH = 8

/** Returns the id of the `count`th exchange. Ids have the same length, so that a case is always cut at the same places. */
export function idOf(count: number): string {
  return `q${count.toString(36).padStart(ID_LENGTH - 1, '0')}`
}
