// Runs before each file of tests. Modules are loaded once for many files, so their hooks are registered here.
import { afterAll, afterEach } from 'vitest'
import { endFile, endTest } from './support/endings.ts'

afterEach(endTest)
afterAll(endFile)
