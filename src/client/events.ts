import type { LoggedEvent } from './answers.ts'
import { ApiError, NoAnswerError } from './api-error.ts'
import type { Caller } from './caller.ts'
import { type ServerSentMessage, ServerSentMessages } from './server-sent-messages.ts'

/** Pause before it connects again, ms, unless the server says another. */
const RETRY_MS = 2_000
/** Silence after which a connection counts as lost, ms: three heartbeats. */
const SILENCE_MS = 45_000

export interface EventsOptions {
  /** Only events of this service. */
  readonly service?: string | undefined
  /** Only events of these types; patterns such as `drain.*` are possible. */
  readonly types?: readonly string[] | undefined
  /** Go on after the event with this id; `0-0` = all that are kept. Default: from now on. */
  readonly lastEventId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Events were missed: the log has not kept them. Read the state again. */
export interface EventGap {
  readonly type: 'gap'
  /** Id of the last event before it. */
  readonly after: string
  /** Id of an event before those that follow. */
  readonly next: string
}

export type SeenEvent = LoggedEvent | EventGap

/** See `Client.events`. */
export async function* eventsOf(caller: Caller, options: EventsOptions): AsyncGenerator<SeenEvent, void, undefined> {
  const { signal, lastEventId = '' } = options
  const position = { id: lastEventId, retryMs: RETRY_MS }
  const isOver = (): boolean => signal?.aborted === true
  while (!isOver()) {
    const connection = new AbortController()
    const leave = (): void => connection.abort()
    signal?.addEventListener('abort', leave)
    try {
      yield* eventsOfConnection(caller, options, position, connection)
    } catch (error) {
      if (!isOver() && !connection.signal.aborted && !isTemporary(error)) throw error
    } finally {
      signal?.removeEventListener('abort', leave)
      connection.abort()
    }
    await pause(position.retryMs * (0.75 + Math.random() * 0.5), signal)
  }
}

/** Yields the events of one connection until it ends. Moves `position`. */
async function* eventsOfConnection(
  caller: Caller,
  options: EventsOptions,
  position: { id: string; retryMs: number },
  connection: AbortController,
): AsyncGenerator<SeenEvent, void, undefined> {
  let timer = setTimeout(() => connection.abort(), SILENCE_MS)
  try {
    const response = await caller.stream(pathOf(options), {
      headers: { accept: 'text/event-stream', ...(position.id === '' ? {} : { 'last-event-id': position.id }) },
      signal: connection.signal,
    })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    const messages = new ServerSentMessages()
    const next = async (): Promise<string | null> => {
      // A connection that breaks has ended, too.
      const piece = await reader?.read().catch(() => undefined)
      clearTimeout(timer)
      timer = setTimeout(() => connection.abort(), SILENCE_MS)
      return piece?.value ?? null
    }
    for (let text = await next(); text !== null; text = await next())
      for (const message of messages.take(text)) yield* taken(message, position)
  } finally {
    clearTimeout(timer)
  }
}

function* taken(
  { id, retryMs, data }: ServerSentMessage,
  position: { id: string; retryMs: number },
): Generator<SeenEvent> {
  if (id !== null) position.id = id
  if (retryMs !== null) position.retryMs = retryMs
  if (data !== null) yield JSON.parse(data) as SeenEvent
}

/** The path of a stream of these events. */
export function pathOf({ service, types = [] }: EventsOptions): string {
  const query = new URLSearchParams()
  if (service !== undefined) query.set('service', service)
  if (types.length > 0) query.set('types', types.join(','))
  return query.size === 0 ? '/api/events' : `/api/events?${query}`
}

/** Whether another attempt may succeed. */
function isTemporary(error: unknown): boolean {
  return error instanceof NoAnswerError || (error instanceof ApiError && error.status >= 500)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, signal?.aborted === true ? 0 : ms)
    signal?.addEventListener('abort', end)
  })
}
