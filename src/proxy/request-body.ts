import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/**
 * A request's body for one try at a server. Nothing is taken from the client before the server's connection is there,
 * so that a failed connect leaves the body whole for another try; and the end of a try is not the end of the client's
 * connection.
 */
export class RequestBody extends Readable {
  /** Something was taken from the client. */
  touched = false
  private readonly source: IncomingMessage

  constructor(source: IncomingMessage) {
    super()
    this.source = source
  }

  override _read(): void {
    if (this.touched) {
      this.source.resume()
      return
    }
    this.touched = true
    this.source.on('data', this.onData).on('end', this.onEnd).on('error', this.onBroken).on('close', this.onClose)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.source.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose)
    // What the client still sends is read and dropped, or its connection could not be used again.
    if (this.touched) this.source.resume()
    callback(error)
  }

  private readonly onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.source.pause()
  }

  private readonly onEnd = (): void => {
    this.push(null)
  }

  private readonly onClose = (): void => {
    if (!this.source.complete) this.onBroken(new Error('the client broke off its request'))
  }

  private readonly onBroken = (error: Error): void => {
    this.destroy(error)
  }
}
