/**
 * The rights that Cutover needs from a user of Redis, with the prefix `test`. The commands of its scripts must be
 * allowed, too. The client sends `info` and `client|setname` when it connects. `exists` and `wait` are for a Redis with
 * replicas.
 */
export const ACL = [
  '~{test}:*',
  '+evalsha +eval +info +client|setname',
  '+time +type +exists +del +expire +persist +wait',
  '+get +set',
  '+hget +hmget +hgetall +hlen +hset +hdel',
  '+lpos +lpush +lrange +ltrim',
  '+xadd +xrange +xrevrange +xread',
].join(' ')

/** In a cluster; on every node. */
export const CLUSTER_ACL = `${ACL} +cluster|slots +cluster|info`
