/** Cleanups of the current test, and of the current file. `test/setup.ts` runs them. */
const ofTest: (() => unknown)[] = []
const ofFile: (() => unknown)[] = []

/** Registers a cleanup for the end of the test. */
export function atEnd(end: () => unknown): void {
  ofTest.push(end)
}

/** Registers a cleanup for the end of the file. */
export function atEndOfFile(end: () => unknown): void {
  ofFile.push(end)
}

/** Runs the cleanups of the test, the newest first. */
export async function endTest(): Promise<void> {
  for (const end of ofTest.splice(0).reverse()) await end()
}

/** Runs the cleanups of the file, the newest first. */
export async function endFile(): Promise<void> {
  for (const end of ofFile.splice(0).reverse()) await end()
}
