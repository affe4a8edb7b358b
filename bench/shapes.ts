/** A kind of request that is measured. */
export interface Shape {
  readonly name: string
  /** For people. */
  readonly what: string
  readonly path: string
  /** Length of a body to send with POST; 0 = a GET without a body. */
  readonly sendBytes: number
  /** Whether each request uses a connection of its own. */
  readonly closes: boolean
  /** Protocol of the client's connections; default: HTTP/1.1 without TLS. HTTP/2 is over TLS, too. */
  readonly over?: 'tls' | 'http2'
  /** Number of connections; undefined = as chosen on the command line. */
  readonly connections?: number
}

const GET = { sendBytes: 0, closes: false }

export const shapes: readonly Shape[] = [
  { ...GET, name: 'small', what: 'GET, 1 KiB', path: '/' },
  { ...GET, name: 'medium', what: 'GET, 10 KiB', path: '/medium' },
  { ...GET, name: 'large', what: 'GET, 1 MiB', path: '/large', connections: 16 },
  { name: 'upload', what: 'POST, 1 MiB', path: '/sink', sendBytes: 1 << 20, closes: false, connections: 16 },
  { ...GET, name: 'connect', what: 'GET, 1 KiB, a connection for each', path: '/', closes: true },
  { ...GET, name: 'tls', what: 'GET, 1 KiB, over TLS', path: '/', over: 'tls' },
  { ...GET, name: 'handshake', what: 'GET, 1 KiB, a TLS connection for each', path: '/', closes: true, over: 'tls' },
  {
    ...GET,
    name: 'http2',
    what: 'GET, 1 KiB, over HTTP/2 and TLS, 16 requests in flight on each of 8 connections',
    path: '/',
    over: 'http2',
    connections: 8,
  },
]
