import { createHmac, timingSafeEqual } from 'node:crypto'
import { isFields } from '../model/shape.ts'

/** The right to approve or reject one gate, once, for whoever has its link. */
export interface GateLink {
  readonly service: string
  readonly rollout: string
  readonly gate: string
  /** Number of the step, and its attempt: a gate that is waited at again needs a new link. */
  readonly step: number
  readonly attempt: number
  readonly verdict: 'approve' | 'reject'
  /** Name of the person or script that has made the link. */
  readonly by: string
  /** Ms since the epoch, by the store's clock. */
  readonly untilMs: number
}

/** Writes a link as the last part of a URL. `key`: of the rollout. */
export function signLink(link: GateLink, key: string): string {
  const payload = Buffer.from(JSON.stringify(link)).toString('base64url')
  return `${payload}.${signatureOf(payload, key).toString('base64url')}`
}

/** Reads a link; what it says is true only if it `isSigned`. null = it is none. */
export function readLink(token: string): GateLink | null {
  try {
    const link: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8'))
    return isFields(link) && isLink(link) ? (link as unknown as GateLink) : null
  } catch {
    return null
  }
}

function isLink({ service, rollout, gate, step, attempt, verdict, by, untilMs }: Readonly<Record<string, unknown>>) {
  const texts = [service, rollout, gate, verdict, by].every((each) => typeof each === 'string')
  return (
    texts && [step, attempt, untilMs].every(Number.isSafeInteger) && (verdict === 'approve' || verdict === 'reject')
  )
}

/** Whether a link was signed with the key of its rollout. */
export function isSigned(token: string, key: string): boolean {
  const [payload = '', signature = ''] = token.split('.')
  const given = Buffer.from(signature, 'base64url')
  const right = signatureOf(payload, key)
  return given.length === right.length && timingSafeEqual(given, right)
}

function signatureOf(payload: string, key: string): Buffer {
  return createHmac('sha256', key).update(`gate ${payload}`).digest()
}
