// Loaded into processes that the scripts start (`node --import`). If the script dies without stopping this process
// (kill -9), its end of the pipe closes, and this process stops itself. In the other direction, the pipe tells the
// script which signals this process listens for, so that the script sends none before there is a listener.
import { Socket } from 'node:net'

const fd = Number(process.env.CUTOVER_LEASH)
delete process.env.CUTOVER_LEASH // Processes that this one forks depend on this one, not on the script.

if (fd) {
  const leash = new Socket({ fd })
  leash.on('close', () => process.kill(process.pid, 'SIGTERM'))
  leash.on('error', () => {})
  leash.resume()
  leash.unref()
  process.on('newListener', (event) => {
    if (String(event).startsWith('SIG')) queueMicrotask(() => leash.write(`${event}\n`))
  })
}
