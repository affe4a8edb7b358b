import { describe, expect, test } from 'vitest'
import type { ErrorCode, Sent } from '../../src/proxy/errors.ts'
import { classify, ProxyError, statusOf } from '../../src/proxy/errors.ts'
import { type Attempt, mayRetry, mayRetryStatus } from '../../src/proxy/routing/retry.ts'

type Policy = Parameters<typeof mayRetry>[2]

const POLICY: Policy = {
  attempts: 2,
  on: ['connect', 'reset'],
  statuses: [],
  methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'],
  budget: 0.2,
  bodyBytes: 65_536,
}
const GET: Attempt = { method: 'GET', attempts: 1, isWhole: true }
const POST: Attempt = { ...GET, method: 'POST' }

describe('a failed request is sent again', () => {
  test.each<[string, boolean, ErrorCode, Sent, Attempt, Partial<Policy>]>([
    // Nothing was sent: any method, as long as the body is whole.
    ['GET, refused', true, 'connection_refused', 'no', GET, {}],
    ['POST, refused', true, 'connection_refused', 'no', POST, {}],
    ['POST, no connection in time', true, 'connection_timeout', 'no', POST, {}],
    ['POST, broken while connecting', true, 'connection_terminated', 'no', POST, {}],
    ['POST, no such name', true, 'dns_error', 'no', POST, {}],
    ['POST, refused, body used up', false, 'connection_refused', 'no', { ...POST, isWhole: false }, {}],
    ['GET, refused, no attempt left', false, 'connection_refused', 'no', { ...GET, attempts: 2 }, {}],
    ['GET, refused, third of three', false, 'connection_refused', 'no', { ...GET, attempts: 3 }, { attempts: 3 }],
    ['GET, refused, second of three', true, 'connection_refused', 'no', { ...GET, attempts: 2 }, { attempts: 3 }],
    ['GET, refused, retries off', false, 'connection_refused', 'no', GET, { attempts: 1 }],
    ['GET, refused, only resets', false, 'connection_refused', 'no', GET, { on: ['reset'] }],
    ['GET, bad certificate', false, 'tls_protocol_error', 'no', GET, {}],
    ['GET, cannot be sent at all', false, 'http_request_error', 'no', GET, {}],
    ['GET, the client has left', false, 'client_gone', 'no', GET, {}],
    // It may have been executed: methods that may be repeated, whole.
    ['GET, reset', true, 'connection_terminated', 'maybe', GET, {}],
    ['HEAD, reset', true, 'connection_terminated', 'maybe', { ...GET, method: 'HEAD' }, {}],
    ['DELETE, reset', true, 'connection_terminated', 'maybe', { ...GET, method: 'DELETE' }, {}],
    ['PUT, reset, body kept', true, 'connection_terminated', 'maybe', { ...GET, method: 'PUT' }, {}],
    [
      'PUT, reset, body used up',
      false,
      'connection_terminated',
      'maybe',
      { ...GET, method: 'PUT', isWhole: false },
      {},
    ],
    ['POST, reset', false, 'connection_terminated', 'maybe', POST, {}],
    ['PATCH, reset', false, 'connection_terminated', 'maybe', { ...GET, method: 'PATCH' }, {}],
    ['get is not GET', false, 'connection_terminated', 'maybe', { ...GET, method: 'get' }, {}],
    ['an unknown method, reset', false, 'connection_terminated', 'maybe', { ...GET, method: 'BREW' }, {}],
    ['POST where allowed', true, 'connection_terminated', 'maybe', POST, { methods: ['POST'] }],
    ['GET where not', false, 'connection_terminated', 'maybe', GET, { methods: ['POST'] }],
    ['GET, reset, only connects', false, 'connection_terminated', 'maybe', GET, { on: ['connect'] }],
    ['GET, reset, no attempt left', false, 'connection_terminated', 'maybe', { ...GET, attempts: 2 }, {}],
    ['GET, certainly executed', true, 'connection_terminated', 'yes', GET, {}],
    ['GET, too slow', false, 'http_response_timeout', 'maybe', GET, {}],
    ['GET, nonsense', false, 'http_protocol_error', 'maybe', GET, {}],
    ['GET, too slow, where named', true, 'http_response_timeout', 'maybe', GET, { on: ['timeout'] }],
    ['POST, too slow, where named', false, 'http_response_timeout', 'maybe', POST, { on: ['timeout'] }],
    ['GET, nonsense, where named', true, 'http_protocol_error', 'maybe', GET, { on: ['invalid'] }],
    ['GET, drained', false, 'drain_timeout', 'maybe', GET, {}],
  ])('%s: %s', (_what, expected, code, sent, attempt, policy) => {
    expect(mayRetry(new ProxyError(code, sent), attempt, { ...POLICY, ...policy })).toBe(expected)
  })
})

describe('an answer is given up for another try', () => {
  test.each<[string, boolean, number, Attempt, Partial<Policy>]>([
    ['a status that is named', true, 503, GET, {}],
    ['one that is not', false, 500, GET, {}],
    ['the last attempt', false, 503, { ...GET, attempts: 2 }, {}],
    ['a method that may not be repeated', false, 503, POST, {}],
    ['a body that is used up', false, 503, { ...GET, method: 'PUT', isWhole: false }, {}],
  ])('%s: %s', (_what, expected, status, attempt, policy) => {
    expect(mayRetryStatus(status, attempt, { ...POLICY, statuses: [502, 503], ...policy })).toBe(expected)
  })
})

describe('what an error of the server’s connection means', () => {
  const coded = (code: string, message = '') => Object.assign(new Error(message), { code })
  const parser = (message: string) => Object.assign(new Error(message), { name: 'HTTPParserError' })

  test.each<[unknown, boolean, ErrorCode, Sent]>([
    [coded('ECONNREFUSED'), false, 'connection_refused', 'no'],
    [coded('EHOSTUNREACH'), false, 'connection_refused', 'no'],
    [coded('ENOTFOUND'), false, 'dns_error', 'no'],
    [coded('ETIMEDOUT'), false, 'connection_timeout', 'no'],
    [coded('ECONNRESET'), false, 'connection_terminated', 'no'],
    [coded('ERR_TLS_CERT_ALTNAME_INVALID'), false, 'tls_protocol_error', 'no'],
    [coded('DEPTH_ZERO_SELF_SIGNED_CERT'), false, 'tls_protocol_error', 'no'],
    [coded('UND_ERR_INVALID_ARG'), false, 'http_request_error', 'no'],
    [new AggregateError([coded('ECONNREFUSED')], ''), false, 'connection_terminated', 'no'],
    [
      Object.assign(new AggregateError([coded('ECONNREFUSED')], ''), { code: 'ECONNREFUSED' }),
      false,
      'connection_refused',
      'no',
    ],
    [coded('ECONNRESET'), true, 'connection_terminated', 'maybe'],
    [coded('UND_ERR_SOCKET', 'other side closed'), true, 'connection_terminated', 'maybe'],
    [coded('UND_ERR_SOCKET', 'bad upgrade'), true, 'http_protocol_error', 'maybe'],
    [coded('UND_ERR_SOCKET', 'bad response'), true, 'http_protocol_error', 'maybe'],
    [coded('UND_ERR_HEADERS_TIMEOUT'), true, 'http_response_timeout', 'maybe'],
    [coded('UND_ERR_BODY_TIMEOUT'), true, 'http_response_timeout', 'maybe'],
    [coded('UND_ERR_HEADERS_OVERFLOW'), true, 'http_protocol_error', 'maybe'],
    [parser('Response does not match the HTTP/1.1 protocol (Expected HTTP/)'), true, 'http_protocol_error', 'maybe'],
    // The end of the connection, not nonsense: worth another try.
    [
      parser('Response does not match the HTTP/1.1 protocol (Invalid EOF state)'),
      true,
      'connection_terminated',
      'maybe',
    ],
    [new ProxyError('drain_timeout', 'maybe'), true, 'drain_timeout', 'maybe'],
    ['a text', true, 'connection_terminated', 'maybe'],
    [null, false, 'connection_terminated', 'no'],
  ])('%s (started: %s) is %s', (error, started, code, sent) => {
    const { code: gotCode, sent: gotSent } = classify(error, started)
    expect([gotCode, gotSent]).toEqual([code, sent])
  })

  test.each<[ErrorCode, number]>([
    ['destination_not_found', 404],
    ['destination_unavailable', 503],
    ['connection_refused', 502],
    ['connection_terminated', 502],
    ['dns_error', 502],
    ['http_protocol_error', 502],
    ['tls_protocol_error', 502],
    ['connection_timeout', 504],
    ['http_response_timeout', 504],
    ['drain_timeout', 504],
    ['http_request_error', 400],
    ['proxy_internal_error', 500],
    ['client_gone', 499],
  ])('%s is answered by %i', (code, status) => {
    expect(statusOf(code)).toBe(status)
  })
})
