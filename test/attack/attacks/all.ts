import { ADMIN } from './admin.ts'
import type { Attack } from './attack.ts'
import { FLOODS } from './floods.ts'
import { HEADS } from './heads.ts'
import { SILENT } from './silent.ts'
import { SLOW } from './slow.ts'
import { UPGRADES } from './upgrades.ts'

/** Every attack, in the order in which they are run. */
export const ATTACKS: readonly Attack[] = [...SILENT, ...SLOW, ...HEADS, ...ADMIN, ...UPGRADES, ...FLOODS]
