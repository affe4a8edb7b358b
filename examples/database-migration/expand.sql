-- Before the rollout. The old version does not know the column, and goes on.
ALTER TABLE orders ADD COLUMN total_cents BIGINT;
