/**
 * Loaded into control and workers before anything else (`node --import`): a signal to the whole process group is the
 * supervisor's to interpret, also while they load their code.
 */
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined)
