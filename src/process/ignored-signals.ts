/**
 * Ignores signals in the control process and the workers. Loaded before anything else (`node --import`): when a signal
 * goes to the whole process group, only the supervisor acts on it, even while the children are still loading their
 * code.
 */
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined)
