import { Signals } from './process/signals.ts'

// Handlers are set before the rest is loaded, so that a signal in the first second does not kill the process.
const signals = process.argv[2] === 'run' ? new Signals() : null
const { runCommandLine } = await import('./command-line.ts')
await runCommandLine(signals)
