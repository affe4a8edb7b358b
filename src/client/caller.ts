import type { Problem } from './answers.ts'
import { ApiError, type Attempt, NoAnswerError } from './api-error.ts'
import { type ApiRequest, type Route, requestOf } from './request.ts'

/** Max time for an answer, beyond the one that a call waits for on purpose. */
const TIMEOUT_MS = 10_000
/** The longest time of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Operations that answer 503 with a report instead of a problem. */
const REPORTS: ReadonlySet<Route> = new Set<Route>(['GET /health', 'GET /ready'])

export interface CallerOptions {
  readonly urls: readonly string[]
  readonly token: string | undefined
  readonly fetch: typeof fetch
  /** Max time for an answer beyond `wait`, ms. */
  readonly timeoutMs: number | undefined
}

/** The parts of an answer, read to its end. */
interface Answer {
  readonly status: number
  readonly statusText: string
  readonly type: string
  readonly text: string
}

/** Calls the API at the url that answered last, and at the others while one does not answer. */
export class Caller {
  private readonly urls: readonly string[]
  private readonly authorization: Readonly<Record<string, string>>
  private readonly fetch: typeof fetch
  private readonly timeoutMs: number
  /** Index of the url that answered last. */
  private current = 0

  /** Throws TypeError for options that cannot be used. */
  constructor({ urls, token, fetch, timeoutMs = TIMEOUT_MS }: CallerOptions) {
    if (urls.length === 0) throw new TypeError('say where the admin API is: {url: "http://127.0.0.1:9900"}')
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
      throw new TypeError('a token has no blanks and is not empty')
    if (!(timeoutMs > 0)) throw new TypeError(`timeoutMs must be a positive number, not ${timeoutMs}`)
    this.urls = urls.map(baseOf)
    this.authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    this.fetch = fetch
    this.timeoutMs = timeoutMs
  }

  /** Carries out an operation. Throws ApiError, NoAnswerError, TypeError, and the reason of an aborted signal. */
  async call(route: Route, args: readonly unknown[], through: string | null): Promise<unknown> {
    const isOneOfSeveral = this.urls.length > 1
    const request = requestOf(route, args, through, isOneOfSeveral)
    if (request.isForOneInstance && isOneOfSeveral) {
      throw new TypeError(
        `${route} concerns the instance that is asked: name it with at(), or use a client with one url`,
      )
    }
    const answer = await this.firstAnswer(request, (url) => this.ask(url, request))
    return bodyOf(route, answer)
  }

  /** Asks for any path, and returns the answer as it is, its body unread. Throws NoAnswerError. */
  raw(path: string, init: RequestInit): Promise<Response> {
    const isWrite = !['GET', 'HEAD'].includes((init.method ?? 'GET').toUpperCase())
    const headers = new Headers(init.headers)
    for (const [name, value] of Object.entries(this.authorization)) headers.set(name, value)
    return this.firstAnswer({ isWrite, mayRepeat: !isWrite, signal: init.signal ?? undefined }, (url) =>
      this.fetch(`${url}${path}`, { redirect: 'manual', ...init, headers }),
    )
  }

  /** Opens a stream: as `raw`, with an answer of 200. Throws ApiError, too. */
  async stream(path: string, init: RequestInit): Promise<Response> {
    const response = await this.raw(path, init)
    const { status, statusText } = response
    if (status === 200) return response
    const type = typeOf(response)
    const body = type.endsWith('json') ? parsed(await response.text()) : undefined
    throw new ApiError(isProblem(body) ? body : foreign({ status, statusText, type }))
  }

  private async firstAnswer<T>(
    { isWrite, mayRepeat, signal }: Pick<ApiRequest, 'isWrite' | 'mayRepeat' | 'signal'>,
    ask: (url: string) => Promise<T>,
  ): Promise<T> {
    const attempts: Attempt[] = []
    let cause: unknown
    for (const [offset] of this.urls.entries()) {
      const index = (this.current + offset) % this.urls.length
      const url = this.urls[index] ?? ''
      try {
        const answer = await ask(url)
        this.current = index
        return answer
      } catch (error) {
        signal?.throwIfAborted()
        cause = error
        const mayHaveArrived = !isUnsent(error)
        attempts.push({ url, reason: reasonOf(error), mayHaveArrived })
        if (mayHaveArrived && !mayRepeat) break
      }
    }
    throw new NoAnswerError(attempts, isWrite, cause)
  }

  private async ask(url: string, { method, path, headers, body, signal, waitMs }: ApiRequest): Promise<Answer> {
    const timeout = AbortSignal.timeout(Math.min(this.timeoutMs + waitMs, MAX_TIMER_MS))
    const response = await this.fetch(`${url}${path}`, {
      method,
      headers: { accept: 'application/json', ...this.authorization, ...headers },
      redirect: 'manual',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body === undefined ? {} : { body }),
    })
    const { status, statusText } = response
    return { status, statusText, type: typeOf(response), text: await response.text() }
  }
}

/** A url without what follows its path. Throws TypeError. */
function baseOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (
    parsed === null ||
    !['http:', 'https:'].includes(parsed.protocol) ||
    parsed.username !== '' ||
    parsed.password !== ''
  ) {
    throw new TypeError(
      'the url of an admin API is http://HOST:PORT or https://…, without credentials (they go into token); ' +
        'for a socket file, pass a fetch of your own',
    )
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, '')
}

/** The body of a success. Throws ApiError for anything else. */
function bodyOf(route: Route, answer: Answer): unknown {
  const { status, type, text } = answer
  const isDone = status >= 200 && status < 300
  if (isDone && route === 'GET /metrics') return text
  const body = type === 'application/json' || type === 'application/problem+json' ? parsed(text) : undefined
  if (body === undefined) throw new ApiError(foreign(answer))
  if (isDone || (status === 503 && REPORTS.has(route) && type === 'application/json')) return body
  throw new ApiError(isProblem(body) ? body : foreign(answer))
}

function typeOf(response: Response): string {
  return (response.headers.get('content-type') ?? '').replace(/;.*/, '').trim()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'title' in body && 'detail' in body && 'status' in body
}

/** A problem for an answer that the API does not give. */
function foreign({ status, statusText, type }: Omit<Answer, 'text'>): Problem {
  const what = type === '' ? 'no content type' : type
  const detail = `The answer is ${status} with ${what}, which is none of Cutover's: is this the url of an admin API?`
  return { type: 'about:blank', title: statusText === '' ? `Status ${status}` : statusText, status, detail }
}

/** Whether the request of a failed fetch certainly did not arrive: no connection was made for it. */
function isUnsent(error: unknown): boolean {
  const { cause } = error as { readonly cause?: unknown }
  const failures: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause]
  return failures.every((failure) => {
    const { code, syscall } = (failure ?? {}) as { readonly code?: unknown; readonly syscall?: unknown }
    return code === 'UND_ERR_CONNECT_TIMEOUT' || syscall === 'connect' || syscall === 'getaddrinfo'
  })
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { cause } = error
  if (cause instanceof AggregateError && cause.message === '') return reasonOf(cause.errors[0])
  return cause instanceof Error ? reasonOf(cause) : error.message
}
