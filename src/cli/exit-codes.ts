/** Exit codes of all commands: success, failure at run time, unusable configuration or arguments, stopped by Ctrl-C. */
export const EXIT = { done: 0, failed: 1, unusable: 2, interrupted: 130 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
