import { Signals } from './process/signals.ts'

// Before the rest is even loaded: a signal in the first second must not end the process.
const signals = process.argv[2] === 'run' ? new Signals() : null
const { runCommandLine } = await import('./command-line.ts')
await runCommandLine(signals)
