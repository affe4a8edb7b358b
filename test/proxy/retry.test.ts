import { describe, expect, test } from 'vitest'
import type { CallFailure } from '../../src/http1/outbound-call.ts'
import { BAD_STATUS, TOO_MANY_INTERIM } from '../../src/http1/refusal.ts'
import type { ErrorCode, Sent } from '../../src/proxy/errors.ts'
import {
  classify,
  failureOf,
  isConnectionFailure,
  isServersFault,
  ProxyError,
  statusOf,
} from '../../src/proxy/errors.ts'
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
    ['GET, the client has left', false, 'client_gone', 'no', GET, {}],
    ['POST, nothing left here for a connection', true, 'proxy_resources_exhausted', 'no', POST, {}],
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
    ['GET, an exception here', false, 'proxy_internal_error', 'maybe', GET, {}],
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

describe('what a failure of a call means', () => {
  const coded = (code: string, message = '') => Object.assign(new Error(message), { code })
  const REFUSED = coded('ECONNREFUSED')
  const NO_PORT = coded('EADDRNOTAVAIL')

  test.each<[unknown, ErrorCode]>([
    [REFUSED, 'connection_refused'],
    [coded('EHOSTUNREACH'), 'connection_refused'],
    [coded('ENETUNREACH'), 'connection_refused'],
    [coded('ENOENT'), 'connection_refused'],
    [coded('ENOTFOUND'), 'dns_error'],
    [coded('EAI_AGAIN'), 'dns_error'],
    [coded('ETIMEDOUT'), 'connection_timeout'],
    [coded('ECONNRESET'), 'connection_terminated'],
    [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls_protocol_error'],
    [coded('DEPTH_ZERO_SELF_SIGNED_CERT'), 'tls_protocol_error'],
    [coded('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls_protocol_error'],
    [coded('EPROTO'), 'tls_protocol_error'],
    // This machine has nothing left: the server is not to blame.
    [coded('EMFILE'), 'proxy_resources_exhausted'],
    [NO_PORT, 'proxy_resources_exhausted'],
    [new AggregateError([REFUSED], ''), 'connection_terminated'],
    [Object.assign(new AggregateError([REFUSED], ''), { code: 'ECONNREFUSED' }), 'connection_refused'],
    [Object.assign(new AggregateError([REFUSED], ''), { code: '' }), 'connection_refused'],
    [Object.assign(new AggregateError([NO_PORT, NO_PORT], ''), { code: '' }), 'proxy_resources_exhausted'],
    [Object.assign(new AggregateError([NO_PORT, REFUSED], ''), { code: '' }), 'connection_terminated'],
    [new ProxyError('connection_timeout', 'no'), 'connection_timeout'],
    [new Error('without a code'), 'connection_terminated'],
    [Object.assign(new Error('with a number'), { code: 111 }), 'connection_terminated'],
    ['a text', 'connection_terminated'],
    [null, 'connection_terminated'],
  ])('no connection, %s: %s, and nothing was sent', (error, code) => {
    const { code: gotCode, sent } = classify(error)
    expect([gotCode, sent]).toEqual([code, 'no'])
    const failed = failureOf({ kind: 'connect', error: error as Error })
    expect([failed.code, failed.sent]).toEqual([code, 'no'])
  })

  test('an error of ours stays the one it is', () => {
    const error = new ProxyError('drain_timeout', 'maybe')
    expect(classify(error)).toBe(error)
    expect(failureOf({ kind: 'connect', error })).toBe(error)
  })

  test.each<[CallFailure, ErrorCode, Sent]>([
    // The end of the connection is not nonsense: worth another try.
    [{ kind: 'closed', error: null }, 'connection_terminated', 'maybe'],
    [{ kind: 'closed', error: coded('ECONNRESET') }, 'connection_terminated', 'maybe'],
    [{ kind: 'closed', error: coded('EPIPE') }, 'connection_terminated', 'maybe'],
    [{ kind: 'closed', error: new Error('without a code') }, 'connection_terminated', 'maybe'],
    // With TLS 1.3, a server rejects the client’s certificate only behind the handshake.
    [{ kind: 'closed', error: coded('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') }, 'tls_protocol_error', 'maybe'],
    [{ kind: 'incomplete', error: null }, 'connection_terminated', 'yes'],
    [{ kind: 'incomplete', error: coded('ECONNRESET') }, 'connection_terminated', 'yes'],
    [{ kind: 'nonsense', refusal: BAD_STATUS }, 'http_protocol_error', 'maybe'],
    [{ kind: 'nonsense', refusal: TOO_MANY_INTERIM }, 'http_protocol_error', 'maybe'],
    [{ kind: 'timeout' }, 'http_response_timeout', 'maybe'],
    [{ kind: 'crashed', error: new TypeError('a bug of ours') }, 'proxy_internal_error', 'maybe'],
  ])('%o: %s, and sent: %s', (failure, code, sent) => {
    const error = failureOf(failure)
    expect([error.code, error.sent]).toEqual([code, sent])
  })

  test.each<[ErrorCode, boolean, boolean]>([
    ['dns_error', true, true],
    ['connection_refused', true, true],
    ['connection_timeout', true, true],
    ['connection_terminated', true, true],
    ['http_response_timeout', true, false],
    ['http_protocol_error', true, false],
    ['tls_protocol_error', true, false],
    ['proxy_resources_exhausted', false, false],
    ['proxy_internal_error', false, false],
    ['http_request_denied', false, false],
    ['client_gone', false, false],
    ['drain_timeout', false, false],
    ['proxy_stopping', false, false],
  ])('%s is the server’s fault: %s, and as if it restarted: %s', (code, isFault, isRestart) => {
    expect([isServersFault(code), isConnectionFailure(code)]).toEqual([isFault, isRestart])
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
    ['proxy_internal_error', 500],
    ['proxy_resources_exhausted', 503],
    ['proxy_stopping', 504],
    ['client_gone', 499],
  ])('%s is answered by %i', (code, status) => {
    expect(statusOf(code)).toBe(status)
  })
})
