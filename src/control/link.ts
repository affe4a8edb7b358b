import type { ToControl, ToProxy } from '../model/messages.ts'

/** One end of the link between control and a proxy. Messages arrive in the order they were sent. */
export interface Link<Out, In> {
  send(message: Out): void
  /** Calls `listener` with every message from the other end; replaces the previous listener. */
  receive(listener: (message: In) => void): void
}

export type ControlEnd = Link<ToProxy, ToControl>
export type ProxyEnd = Link<ToControl, ToProxy>

class LocalEnd<Out, In> implements Link<Out, In> {
  peer: LocalEnd<In, Out> | null = null
  private listener: ((message: In) => void) | null = null

  send(message: Out): void {
    // Copied, as between processes: control and proxy must share no objects.
    const copy = structuredClone(message)
    queueMicrotask(() => this.peer?.listener?.(copy))
  }

  receive(listener: (message: In) => void): void {
    this.listener = listener
  }
}

/** Returns both ends of a link within one process. */
export function localLink(): { control: ControlEnd; proxy: ProxyEnd } {
  const control = new LocalEnd<ToProxy, ToControl>()
  const proxy = new LocalEnd<ToControl, ToProxy>()
  control.peer = proxy
  proxy.peer = control
  return { control, proxy }
}
