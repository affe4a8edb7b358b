/**
 * Throws an error in a later tick, as uncaught, so that a bug in a callback does not become a failure of its caller.
 */
export function rethrowAsync(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
