import { fieldLines } from '../../http1/head-text.ts'
import type { HttpsRedirect } from '../../model/https-redirect.ts'
import { dateLine } from '../date.ts'
import type { OwnAnswer } from '../own-answer.ts'

const DEFAULT_PORT = 443
/** The end of an authority: a colon and a port. */
const PORT = /:\d*$/

/**
 * The redirect of a request to https: the host without its port, and the path byte for byte. `target`: in origin-form.
 * Returns null if the client has named no host.
 */
export function redirectAnswer(
  { port, status }: HttpsRedirect,
  host: string,
  target: string,
  requestId: string,
): OwnAnswer | null {
  if (host === '') return null
  const authority = `${host.replace(PORT, '')}${port === DEFAULT_PORT ? '' : `:${port}`}`
  const body = `${status} This is at https://${authority}\n`
  const fields = ['location', `https://${authority}${target}`, 'content-type', 'text/plain; charset=utf-8']
  fields.push('content-length', String(body.length), 'x-request-id', requestId)
  return { status, code: '', body, lines: fieldLines(fields) + dateLine() }
}
