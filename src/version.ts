import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PACKAGE = new URL('../package.json', import.meta.url)

/** The page that has a section for each problem of the admin API. */
export const PROBLEMS_PAGE = new URL('../docs/problems.md', import.meta.url)

/** The folder of the dashboard's files; `npm run build` writes it. */
export const DASHBOARD_FOLDER: string = fileURLToPath(new URL('../dist/dashboard', import.meta.url))

/** The version of this package. */
export const VERSION: string = JSON.parse(readFileSync(PACKAGE, 'utf8')).version
