import { ADMIN } from './admin.ts'
import type { Attack } from './attack.ts'
import { FLOODS } from './floods.ts'
import { HEADS } from './heads.ts'
import { SILENT } from './silent.ts'
import { SLOW } from './slow.ts'
import { UPGRADES } from './upgrades.ts'

const EVERY: readonly Attack[] = [...SILENT, ...SLOW, ...HEADS, ...ADMIN, ...UPGRADES, ...FLOODS]

/** Attacks that other clients must not notice. */
export const JUDGED = EVERY.filter(({ known }) => known === undefined)

/** Every attack, in the order in which they are run: what the known ones leave behind must not be held against others. */
export const ATTACKS: readonly Attack[] = [...JUDGED, ...EVERY.filter(({ known }) => known !== undefined)]
