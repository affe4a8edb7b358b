import type { HookHeader, HookResponse } from '../../hooks/types.ts'
import { withoutFields } from '../field-edit.ts'
import { checkRequestField, checkResponseField } from './field-rules.ts'

const LINE_END = '\r\n'
const BODILESS = new Set([101, 204, 304])

/** Field lines, as a hook sees and changes them. */
class HeaderView implements HookHeader {
  #lines: string
  readonly #check: (name: unknown, value: unknown) => void

  constructor(lines: string, check: (name: unknown, value: unknown) => void) {
    this.#lines = lines
    this.#check = check
  }

  /** The lines with the changes so far. */
  static linesOf(view: HeaderView): string {
    return view.#lines
  }

  get(name: string): string | undefined {
    const values = this.getAll(name)
    return values.length === 0 ? undefined : values.join(', ')
  }

  getAll(name: string): string[] {
    const begin = `${name.toLowerCase()}:`
    const values: string[] = []
    for (const line of this.#lines.split(LINE_END))
      if (line.slice(0, begin.length).toLowerCase() === begin) values.push(line.slice(begin.length).trim())
    return values
  }

  set(name: string, value: string): void {
    this.#check(name, value)
    this.#lines = `${withoutFields(this.#lines, new Set([name.toLowerCase()]))}${name}: ${value}${LINE_END}`
  }

  add(name: string, value: string): void {
    this.#check(name, value)
    this.#lines += `${name}: ${value}${LINE_END}`
  }

  remove(name: string): void {
    this.#check(name, '')
    this.#lines = withoutFields(this.#lines, new Set([name.toLowerCase()]))
  }
}

/** The header of a request for a server. */
export class RequestHeaderView extends HeaderView {
  constructor(lines: string) {
    super(lines, checkRequestField)
  }
}

/** Status and header of a response for the client. */
export class ResponseView extends HeaderView implements HookResponse {
  #status: number

  constructor(status: number, lines: string) {
    super(lines, checkResponseField)
    this.#status = status
  }

  get status(): number {
    return this.#status
  }

  set status(status: number) {
    checkStatus(status)
    if (status === this.#status) return
    // The body is on its way, and its framing is that of the first status.
    if (BODILESS.has(status) || BODILESS.has(this.#status))
      throw new RangeError(`the status cannot change from ${this.#status} to ${status}: only one of them has a body`)
    this.#status = status
  }
}

/** Throws unless it is the status of a final response. */
export function checkStatus(status: unknown): asserts status is number {
  if (!Number.isInteger(status) || Number(status) < 200 || Number(status) > 599)
    throw new RangeError(`the status must be a whole number from 200 to 599, not ${String(status)}`)
}

/** The field lines of a view, with the changes of a hook. */
export const linesOf = HeaderView.linesOf
