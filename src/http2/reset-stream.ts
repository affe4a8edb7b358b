import type { Http2Stream } from 'node:http2'
import { NO_ERROR } from './error-codes.ts'

function skip(done: () => void): void {
  done()
}

function close(stream: Http2Stream, code: number): void {
  if (stream.destroyed) return
  // It has closed on the wire, and waits for somebody to read what it has received.
  if (stream.closed) stream.destroy()
  else {
    stream.close(code)
    // An answer that was given early must still be sent; the rest of the body is discarded.
    if (code === NO_ERROR) stream.resume()
    else setImmediate(destroy, stream)
  }
}

/** If both sides had just ended the stream, node:http2 leaves it until somebody has read what was received. */
function destroy(stream: Http2Stream): void {
  stream.destroy()
}

/**
 * Resets a stream, and gives up what was received on it and not read; `close` follows, in a turn of its own. node:http2 sends the frame at once, also from within
 * a callback of its parser, which may then free a stream twice and end the process (nodejs/node#38964). And it would first end
 * the output of the stream and send that, so that the other side would take what it has received for complete.
 */
export function resetStream(stream: Http2Stream, code: number): void {
  if (stream.destroyed) return
  if (!stream.writableEnded) stream._final = skip
  setImmediate(close, stream, code)
}
