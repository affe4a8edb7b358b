/**
 * All that a user of Redis has to be allowed for Cutover with the prefix `test`. What the scripts call has to be allowed
 * as well; `info` and `client|setname` are asked for by the client when it connects. `exists` and `wait` are for a Redis
 * with replicas.
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
