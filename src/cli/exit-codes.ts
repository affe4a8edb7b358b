/**
 * Exit codes of all commands: success; failure at run time; unusable configuration or arguments; something waits for a
 * person; not complete in time; stopped by Ctrl-C.
 */
export const EXIT = { done: 0, failed: 1, unusable: 2, needsPerson: 3, timedOut: 4, interrupted: 130 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
