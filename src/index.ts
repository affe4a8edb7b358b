/** Cutover as a library: the exports of `cutover`, and the types of programs in the request path (`Hooks`). */
export { ApiError, NoAnswerError } from './client/api-error.ts'
export type { CutoverConfig, PoolDefinition, ServerDefinition, ServiceDefinition } from './client/definitions.ts'
export { ConfigurationError, type Cutover, type CutoverOptions, createCutover } from './create-cutover.ts'
export type { HookAnswer, HookHeader, HookPool, HookRequest, HookResponse, Hooks, HookTag } from './hooks/types.ts'
