import type { Hooks } from 'cutover'
import users from './canary-users.json' with { type: 'json' }

const canary = new Set(users)

/** Sends the listed users to the pool `green`, and leaves all others to the split. A reload reads the list again. */
export default {
  choosePool(r, pools) {
    const user = r.cookie('user')
    if (user === undefined || !canary.has(user)) return undefined
    // While the pool gets no requests, it cannot be chosen.
    return pools.some(({ name, up }) => name === 'green' && up > 0) ? 'green' : undefined
  },
} satisfies Hooks
