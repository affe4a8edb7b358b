import { lines, type Panel } from './panels.ts'
import { rate } from './select.ts'

/** Traffic policies: who decides besides the split, and mirrors. */
export const POLICY_PANELS: readonly Panel[] = [
  lines({
    title: 'Requests decided by routes',
    description: 'These do not follow the split.',
    unit: 'reqps',
    queries: { '{{service}} {{route}}': rate('service, route', 'routed_requests_total') },
  }),
  lines({
    title: 'Clients in splits',
    description: 'With a key, with one that is issued now, or without (decided by request).',
    unit: 'reqps',
    queries: { '{{service}} {{key}}': rate('service, key', 'cohort_requests_total') },
  }),
  lines({
    title: 'Sticky clients',
    description: 'Kept at their server, moved to another one, or new.',
    unit: 'reqps',
    queries: { '{{service}} {{result}}': rate('service, result', 'sticky_requests_total') },
  }),
  lines({
    title: 'Copies by status',
    description: 'Answers to the copies that a mirror sends.',
    unit: 'reqps',
    queries: { '{{service}} {{code}}': rate('service, code', 'mirrored_requests_total') },
  }),
  lines({
    title: 'Copies without an answer, or with another one',
    description:
      'Dropped copies were not sent. A difference is an answer of another status class than that of the original.',
    unit: 'reqps',
    queries: {
      'dropped {{service}} {{reason}}': rate('service, reason', 'mirror_dropped_total'),
      'failed {{service}} {{reason}}': rate('service, reason', 'mirror_failures_total'),
      'different {{service}}': rate('service', 'mirror_differences_total'),
    },
  }),
  lines({
    title: 'Hook errors and spilled hashes',
    description:
      'Errors of hooks fail requests, unless hookErrors is ignore. Spilled: the server of the hash had too many requests.',
    unit: 'reqps',
    queries: {
      'errors {{service}} {{hook}}': rate('service, hook', 'hook_errors_total'),
      'spilled {{service}}': rate('service', 'hash_spilled_total'),
    },
  }),
]
