import type { Readable } from 'node:stream'
import type { HealthSpec } from '../model/spec.ts'
import { headerProblem, jsonProblem } from './expected-response.ts'
import { type ProbeResponse, sendProbe } from './probe-request.ts'
import { type Attempt, describe } from './probe-result.ts'
import type { ProbedServer } from './probed-server.ts'

const MAX_BODY_BYTES = 64 * 1024

/**
 * Probes by one GET; redirects are not followed. The probe passes if the status and the header fields are expected, and,
 * where the spec asks for it, the body contains a text within its first 64 KiB, or has the expected values in its JSON.
 */
export function beginHttpProbe(server: ProbedServer, spec: HealthSpec, attempt: Attempt): () => void {
  return sendProbe(server, spec, attempt, (response) => judge(response, spec, attempt))
}

function judge({ status, headers, body }: ProbeResponse, spec: HealthSpec, attempt: Attempt): void {
  const version = spec.versionHeader === undefined ? undefined : headers[spec.versionHeader]
  attempt.saw({ status, ...(version === undefined ? {} : { version: String(version) }) })
  if (!spec.expect.some(([from, to]) => from <= status && status <= to)) {
    attempt.end(`status ${status}`)
    return
  }
  const problem = headerProblem(headers, spec.expectHeaders ?? {})
  if (problem !== null) attempt.end(problem)
  else if (spec.body !== '') search(body, spec.body, attempt)
  else if (spec.expectJson !== undefined) readJson(body, spec.expectJson, attempt)
  else attempt.end(null)
}

function search(body: Readable, text: string, attempt: Attempt): void {
  const wanted = Buffer.from(text)
  const missing = `body does not contain ${JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)}`
  let left = MAX_BODY_BYTES
  let tail = Buffer.alloc(0)
  body.on('error', (error) => attempt.end(describe(error)))
  body.on('end', () => attempt.end(missing))
  body.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, left)
    left -= part.length
    const window = Buffer.concat([tail, part])
    if (window.includes(wanted)) attempt.end(null)
    else if (left === 0) attempt.end(missing)
    // Keep what may be the beginning of a match that the next chunk completes.
    else tail = window.subarray(Math.max(0, window.length - wanted.length + 1))
  })
}

function readJson(body: Readable, expected: NonNullable<HealthSpec['expectJson']>, attempt: Attempt): void {
  const chunks: Buffer[] = []
  let length = 0
  body.on('error', (error) => attempt.end(describe(error)))
  body.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length > MAX_BODY_BYTES) attempt.end('the body has more than 64 KiB, too much to look for JSON values')
  })
  body.on('end', () => attempt.end(jsonProblem(Buffer.concat(chunks).toString(), expected)))
}
