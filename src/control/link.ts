import type { ToControl, ToProxy } from '../model/messages.ts'

/** One end of the wire between the control half and a proxy half. Messages arrive in the order they were sent. */
export interface Link<Out, In> {
  send(message: Out): void
  /** Calls `listener` with every message from the other end; there is one listener. */
  receive(listener: (message: In) => void): void
}

export type ControlEnd = Link<ToProxy, ToControl>
export type ProxyEnd = Link<ToControl, ToProxy>

class LocalEnd<Out, In> implements Link<Out, In> {
  peer: LocalEnd<In, Out> | null = null
  private listener: ((message: In) => void) | null = null

  send(message: Out): void {
    // A copy, as between processes: the two halves must share nothing.
    const copy = structuredClone(message)
    queueMicrotask(() => this.peer?.listener?.(copy))
  }

  receive(listener: (message: In) => void): void {
    this.listener = listener
  }
}

/** Both ends of a wire within one process. */
export function localLink(): { control: ControlEnd; proxy: ProxyEnd } {
  const control = new LocalEnd<ToProxy, ToControl>()
  const proxy = new LocalEnd<ToControl, ToProxy>()
  control.peer = proxy
  proxy.peer = control
  return { control, proxy }
}
