-- After the watch has ended, when the old pool is gone: there is no way back to the old version after this.
ALTER TABLE orders DROP COLUMN total;
