import type { PlannedAnnouncement } from './announcement.ts'
import type { Field } from './wire.ts'

/** What is to become of a request. */
export type RequestFate =
  /** The server gets it. */
  | 'forwarded'
  /** The client is told why not and hung up on; the server sees nothing of it. */
  | 'refused'
  /** The same, but it is the body that is wrong: the server may have seen the beginning. */
  | 'refused late'
  /** The RFC allows to refuse it as well as to forward it. */
  | 'forwarded or refused'
  /** The client goes away in the middle of it. */
  | 'abandoned'
  /** The client waits to be told to go on and gets the answer instead: the server sees the head, and never the body. */
  | 'declined'

/** What the client is to get of a server's response. */
export type ResponseFate =
  | 'whole'
  /** 502. */
  | 'bad'
  /** 502, or broken off when it went wrong after its head: never a clean end. */
  | 'broken'
  /** The RFC allows any of them; but a clean end means that it is right. */
  | 'whole or bad'

export interface PlannedRequest {
  readonly method: string
  readonly version: '1.0' | '1.1'
  /** As it is sent. */
  readonly pieces: readonly Buffer[]
  /** What is sent only when the client is told to go on. */
  readonly held: readonly Buffer[]
  /** The server is to see that the client expects to be told to go on. */
  readonly expects: boolean
  readonly fate: RequestFate
  /** How the client leaves in the middle of it. */
  readonly leaves: 'fin' | 'reset' | null
  /** It asks for another protocol, which the server does not speak. */
  readonly upgrades: boolean
  /** Whether the client's connection ends with the answer. */
  readonly closes: boolean | 'maybe'
  // What the server is to see.
  readonly target: string
  readonly fields: readonly Field[]
  readonly body: Buffer
}

export interface PlannedResponse {
  readonly fate: ResponseFate
  /** As it is sent, 1xx responses included. */
  readonly pieces: readonly Buffer[]
  /** What becomes of the server's connection then. */
  readonly ending: 'keep' | 'fin' | 'reset'
  /** It is sent as soon as the request's head is there. */
  readonly early: boolean
  /** The client is told to go on as soon as the request's head is there. */
  readonly continues: boolean
  // What the client is to see.
  readonly status: number
  readonly fields: readonly Field[]
  readonly body: Buffer
  readonly trailers: readonly Field[]
  /** Statuses of the 1xx before it. */
  readonly interim: readonly number[]
}

export interface PlannedExchange {
  /** Stands in the request's target and in a field, and in a field of the response: nothing else in the world has it. */
  readonly id: string
  readonly request: PlannedRequest
  readonly response: PlannedResponse
  /** Names of what is wrong with it, for the report. */
  readonly faults: readonly string[]
  /** What follows the 101 that the server answers; null = it answers something else. */
  readonly tunnel: PlannedTunnel | null
  /** How the server fails it when it comes for the first time; null = it does not. */
  readonly firstTry: FirstTry | null
  /** How often it may come to the server at most, whole or not. */
  readonly tries: number
  /** How often it comes whole. */
  readonly seen: { readonly least: number; readonly most: number }
}

/** The server's connection ends without an answer, behind the head of a request or behind all of it. */
export interface FirstTry {
  readonly behind: 'head' | 'whole'
  readonly ending: 'fin' | 'reset'
}

/** Bytes both ways behind a 101. */
export interface PlannedTunnel {
  readonly toServer: Buffer
  readonly toClient: Buffer
  /** What the client sends once it has the 101: what it has not sent with its request. */
  readonly later: readonly Buffer[]
  readonly end: TunnelEnd
}

/** Who leaves when all is said there; after a fin, the other one does the same. */
export interface TunnelEnd {
  readonly by: 'client' | 'server'
  readonly how: 'fin' | 'reset'
}

/** What happens on one client connection. */
export interface PlannedConversation {
  /** The PROXY header that it opens with; null = none. */
  readonly announcement: PlannedAnnouncement | null
  readonly exchanges: readonly PlannedExchange[]
  /** All requests as they are sent in one go; null = each one when the one before has been answered. */
  readonly pipelined: readonly Buffer[] | null
}

/** A request field that the id of the exchange stands in, and a response field. */
export const REQUEST_ID_FIELD = 'x-asked'
export const RESPONSE_ID_FIELD = 'x-answer-to'

export const ID_LENGTH = 8

/** Of the `count`th exchange ever. Always as long, so that the bytes of a case are always cut at the same places. */
export function idOf(count: number): string {
  return `q${count.toString(36).padStart(ID_LENGTH - 1, '0')}`
}
