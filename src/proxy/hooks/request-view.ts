import type { HookRequest, HookTag } from '../../hooks/types.ts'
import { UNIX } from '../client/client-address.ts'
import { withoutFields } from '../field-edit.ts'
import type { PolicySubject } from '../policy-lines.ts'
import { hostName } from '../routing/host-name.ts'
import { pathOf } from '../routing/routed-request.ts'
import { checkRequestField } from './field-rules.ts'
import { kindOf } from './hook-answer.ts'

const PATH = /^\/[\x21\x22\x24-\x7e\x80-\xff]*$/
const MAX_TAGS = 32
const MAX_TAG_CHARS = 1_000

/** A request, as hooks see it. */
export class RequestView implements HookRequest {
  readonly #subject: PolicySubject
  #query: URLSearchParams | null = null
  /** Whether the `request` hook runs. */
  #isChangeable = true
  #newPath: string | null = null
  /** Fields to set for the server: values by lower-case name. */
  #set: Map<string, string> | null = null
  #tags: Record<string, HookTag> | null = null

  constructor(subject: PolicySubject) {
    this.#subject = subject
  }

  /** Ends the time in which the request may be changed. Returns the path and query for the server; null = unchanged. */
  static settle(view: RequestView): string | null {
    view.#isChangeable = false
    return view.#newPath
  }

  /** Forgets the changes of a `request` hook that has failed. */
  static reset(view: RequestView): void {
    view.#isChangeable = false
    view.#newPath = null
    view.#set = null
  }

  /** Changes field lines for the server as `setHeader` was told. */
  static withSetFields(view: RequestView, lines: string): string {
    if (view.#set === null) return lines
    let result = withoutFields(lines, new Set(view.#set.keys()))
    for (const [name, value] of view.#set) result += `${name}: ${value}\r\n`
    return result
  }

  /** A copy of the tags so far. */
  static tagsOf(view: RequestView): Record<string, HookTag> {
    return { ...view.#tags }
  }

  get method(): string {
    return this.#subject.routed.method
  }

  get host(): string {
    return hostName(this.#subject.head.host)
  }

  get path(): string {
    return pathOf(this.#subject.routed.target)
  }

  get query(): URLSearchParams {
    const { target } = this.#subject.routed
    this.#query ??= new URLSearchParams(target.slice(pathOf(target).length))
    return this.#query
  }

  get client(): string {
    return this.#subject.routed.address ?? UNIX
  }

  get service(): string {
    return this.#subject.tries?.route.table.name ?? ''
  }

  get requestId(): string {
    return this.#subject.requestId
  }

  get pool(): string {
    return this.#subject.tries?.pool?.name ?? ''
  }

  get version(): string {
    return this.#subject.tries?.pool?.version ?? ''
  }

  get server(): string {
    return this.#subject.tries?.target?.name ?? ''
  }

  header(name: string): string | undefined {
    return this.#subject.routed.header(name.toLowerCase()) ?? undefined
  }

  cookie(name: string): string | undefined {
    return this.#subject.routed.cookie(name) ?? undefined
  }

  setPath(path: string): void {
    this.#mustBeChangeable('setPath')
    if (typeof path !== 'string' || !PATH.test(path))
      throw new TypeError('a path must begin with a slash, without #, spaces, control characters and any beyond U+00FF')
    this.#newPath = path
  }

  setHeader(name: string, value: string): void {
    this.#mustBeChangeable('setHeader')
    checkRequestField(name, value)
    this.#set ??= new Map()
    this.#set.set(name.toLowerCase(), value)
  }

  tag(name: string, value: HookTag = true): void {
    checkTag(name, value)
    const tags = { ...this.#tags, [name]: value }
    checkCount(tags)
    this.#tags = tags
  }

  #mustBeChangeable(method: string): void {
    if (!this.#isChangeable) throw new Error(`${method} can only be called in request, before it has returned`)
  }
}

/** Throws unless they can be fields of the access log. */
export function checkTags(tags: object): asserts tags is Record<string, HookTag> {
  checkCount(tags)
  for (const [name, value] of Object.entries(tags)) checkTag(name, value)
}

function checkCount(tags: object): void {
  if (Object.keys(tags).length > MAX_TAGS) throw new RangeError(`a request may have ${MAX_TAGS} tags`)
}

function checkTag(name: unknown, value: unknown): asserts value is HookTag {
  if (typeof name !== 'string' || name === '') throw new TypeError('a tag needs a name')
  if (!['string', 'number', 'boolean'].includes(typeof value))
    throw new TypeError(`the tag ${name} must be text, a number or true or false, not ${kindOf(value)}`)
  if (`${name}${value}`.length > MAX_TAG_CHARS)
    throw new RangeError(`the tag is longer than ${MAX_TAG_CHARS} characters`)
}
