import { demand } from './demand.ts'
import { HOP_BY_HOP } from './fields.ts'
import type { PlannedExchange } from './plan.ts'
import type { FuzzServer } from './server.ts'
import { type Field, type Message, show, valuesOf } from './wire.ts'

/** Demands that the server received the request as often as expected, and each time as it was sent. */
export function demandSeen(exchange: PlannedExchange, server: FuzzServer): void {
  const { least, most } = exchange.seen
  const seen = server.requestsOf(exchange.id)
  const heads = server.headsOf(exchange.id)
  const isInTimes = seen.length >= least && seen.length <= most && heads.length <= exchange.tries
  demand(isInTimes, exchange, `came to the server ${heads.length} times, ${seen.length} times whole`, undefined)
  for (const message of seen) {
    const { body } = exchange.request
    const why = `came to the server with the body ${show(message.body)} instead of ${show(body)}`
    demand(message.body.equals(body), exchange, why, undefined)
  }
  for (const message of heads) demandForwarded(exchange, message)
  const [first, ...others] = heads.map(({ startLine, fields }) => `${startLine}\r\n${textOf(fields)}`)
  for (const other of others) {
    demand(other === first, exchange, `came to the server as ${show(first ?? '')}, then as ${show(other)}`, undefined)
  }
}

function demandForwarded(exchange: PlannedExchange, message: Message): void {
  const { method, target, fields, expects } = exchange.request
  const is = (what: boolean, why: string) => demand(what, exchange, `came to the server with ${why}`, undefined)
  const startLine = `${method} ${target} HTTP/1.1`
  is(message.startLine === startLine, `${show(message.startLine)} instead of ${show(startLine)}`)
  const expected = valuesOf(message.fields, 'expect').join()
  is(expected === (expects ? '100-continue' : ''), `the expectation ${show(expected)}`)
  for (const name of HOP_BY_HOP) {
    const isAsked = exchange.request.upgrades && name === 'upgrade'
    is(valuesOf(message.fields, name).length === (isAsked ? 1 : 0), `the field ${name}`)
  }
  const names = new Set(fields.map(([name]) => name.toLowerCase()))
  const seen = message.fields.filter(([name]) => names.has(name.toLowerCase()))
  is(textOf(seen) === textOf(fields), `the fields ${show(textOf(seen))} instead of ${show(textOf(fields))}`)
}

export function demandUnseen(exchange: PlannedExchange, server: FuzzServer): void {
  server.forbid(exchange.id, 'nothing')
  demand(!server.hasTraceOf(exchange.id), exchange, 'came to the server', undefined)
}

export function demandNotWhole(exchange: PlannedExchange, server: FuzzServer): void {
  server.forbid(exchange.id, 'not whole')
  demandSeen({ ...exchange, seen: { least: 0, most: 0 } }, server)
}

function textOf(fields: readonly Field[]): string {
  return fields.map(([name, value]) => `${name}: ${value}`).join('\r\n')
}
