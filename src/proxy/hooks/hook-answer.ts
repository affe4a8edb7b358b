import type { HookAnswer } from '../../hooks/types.ts'
import { dateLine } from '../date.ts'
import type { OwnAnswer } from '../own-answer.ts'
import { checkResponseField } from './field-rules.ts'
import { checkStatus } from './header-view.ts'

const NO_BODY = Buffer.alloc(0)

/** The response that a `request` hook has returned. Throws if it is not one. */
export function answerOf(given: unknown, requestId: string): OwnAnswer {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError(`request must return {status, headers, body} or nothing, not ${kindOf(given)}`)
  const { status, headers = {}, body } = given as HookAnswer
  checkStatus(status)
  const bytes = bytesOf(body)
  const isBodiless = status === 204 || status === 304
  if (isBodiless && bytes.length > 0) throw new TypeError(`a ${status} has no body`)
  if (!isPlain(headers)) throw new TypeError(`headers must be an object of names and values, not ${kindOf(headers)}`)
  let lines = ''
  const names = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    names.add(name.toLowerCase())
    for (const each of Array.isArray(value) ? value : [value]) {
      checkResponseField(name, each)
      lines += `${name}: ${each}\r\n`
    }
  }
  if (typeof body === 'string' && !names.has('content-type')) lines += 'content-type: text/plain; charset=utf-8\r\n'
  if (!isBodiless) lines += `content-length: ${bytes.length}\r\n`
  if (!names.has('x-request-id')) lines += `x-request-id: ${requestId}\r\n`
  if (!names.has('date')) lines += dateLine()
  return { status, code: '', body: bytes, lines }
}

/** Whether all that an object has are properties of its own; those of a class, such as Headers, may be elsewhere. */
function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}

function bytesOf(body: unknown): Buffer {
  if (body === undefined) return NO_BODY
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  throw new TypeError(`the body must be text or bytes (Uint8Array), not ${kindOf(body)}`)
}

/** What a value is, for a message that does not repeat it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'a list'
  const { constructor: made } = value
  return made === Object || made === undefined ? 'an object' : `an object of ${made.name}`
}
