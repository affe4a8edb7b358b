import type { Http2Stream } from 'node:http2'

function skip(done: () => void): void {
  done()
}

/**
 * Resets a stream, unless it has closed. node:http2 alone would first end the output of the stream and send that, so that
 * the other side would take what it has received for complete.
 */
export function resetStream(stream: Http2Stream, code: number): void {
  if (stream.closed || stream.destroyed) return
  if (!stream.writableEnded) stream._final = skip
  stream.close(code)
}
