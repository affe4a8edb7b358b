// npm run schema: writes config/cutover.schema.json from the schemas of the configuration.
import { writeFileSync } from 'node:fs'
import { jsonSchema } from '../src/config/json-schema.ts'

writeFileSync(new URL('../config/cutover.schema.json', import.meta.url), `${JSON.stringify(jsonSchema, null, 2)}\n`)
