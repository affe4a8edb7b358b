/**
 * Cutover as a library: what `import … from 'cutover'` gives. Types of the programs in the request path (`Hooks`) belong
 * here, too.
 */
export { ApiError, NoAnswerError } from './client/api-error.ts'
export type { CutoverConfig, PoolDefinition, ServerDefinition, ServiceDefinition } from './client/definitions.ts'
export { ConfigurationError, type Cutover, type CutoverOptions, createCutover } from './create-cutover.ts'
