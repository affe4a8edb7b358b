// Loaded into what the scripts start (`node --import`): when the script is gone without a word (kill -9), so that nobody
// is left to stop this process, it is asked to stop here. The pipe's other end is the script's, and closes with it.
// The other way, the script is told which signals this process listens for, so that none comes before its listener.
import { Socket } from 'node:net'

const fd = Number(process.env.CUTOVER_LEASH)
delete process.env.CUTOVER_LEASH // Processes that this one forks hang on it, not on the script.

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
