-- At gate data-is-copied, while both versions serve. In batches, so that no lock is held for long.
UPDATE orders SET total_cents = ROUND(total * 100) WHERE total_cents IS NULL AND id IN (SELECT id FROM orders WHERE total_cents IS NULL LIMIT 10000);
