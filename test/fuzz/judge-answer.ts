import type { Answer } from './client.ts'
import { demand } from './demand.ts'
import { HOP_BY_HOP } from './fields.ts'
import { type PlannedExchange, RESPONSE_ID_FIELD } from './plan.ts'
import { show, statusOf, valuesOf } from './wire.ts'

const NOT_IN_TRAILERS = ['content-length', 'transfer-encoding', 'host', 'connection']

/** Demands that the client received the server's answer to this request, or the beginning of it. */
export function demandRelayed({ id, ...exchange }: PlannedExchange, answer: Answer): void {
  const { request, response } = exchange
  const { message, interim } = answer
  const is = (what: boolean, why: string) => demand(what, { id, ...exchange }, why, answer)
  is(message.startLine.startsWith('HTTP/1.1 '), 'got another version')
  is(valuesOf(message.fields, RESPONSE_ID_FIELD).join() === id, 'got an answer that belongs to another request')
  is(statusOf(message) === response.status, 'got another status')
  if (answer.isWhole) is(message.body.equals(response.body), `got another body than ${show(response.body)}`)
  else
    is(response.body.subarray(0, message.body.length).equals(message.body), 'got what is not the beginning of its body')
  is(request.version === '1.1' || message.framing !== 'chunked', 'got chunks in HTTP/1.0')
  for (const name of HOP_BY_HOP) {
    // A 426 has to name the protocols, and so has a 101.
    const mayHave = name === 'upgrade' && [101, 426].includes(statusOf(message))
    is(mayHave || valuesOf(message.fields, name).length === 0, `got ${name}, which is not for it`)
  }
  for (const [name] of response.fields) {
    const [seen, planned] = [message.fields, response.fields].map((fields) => valuesOf(fields, name.toLowerCase()))
    is(JSON.stringify(seen) === JSON.stringify(planned), `got ${name}: ${show(JSON.stringify(seen))}`)
  }
  for (const [name, value] of message.trailers) {
    is(!NOT_IN_TRAILERS.includes(name.toLowerCase()), `got ${name} behind the body`)
    const isPlanned = response.trailers.some(
      (trailer) => trailer[0].toLowerCase() === name.toLowerCase() && trailer[1] === value,
    )
    is(isPlanned, `got the trailer ${name}: ${value}`)
  }
  is(interim.length === 0 || request.version === '1.1', 'got a 1xx in HTTP/1.0')
  const planned = [...(response.continues ? [100] : []), ...response.interim]
  for (const each of interim) {
    while (planned.length > 0 && planned[0] !== statusOf(each)) planned.shift()
    const mayCome = statusOf(each) > 101 || (statusOf(each) === 100 && request.expects)
    is(planned.shift() !== undefined && mayCome, `got a ${statusOf(each)} before it`)
  }
}
