-- Each cluster counts transactions for itself. So that `tx` orders events across clusters, it has the generation above
-- the 48 bits of the cluster's own number. `python -m eventing reread` raises the generation in another cluster.
ALTER TABLE relayed ADD COLUMN generation int NOT NULL DEFAULT 0;

-- Returns the number in the feed of a transaction of this cluster.
CREATE FUNCTION feed_number(tx xid8) RETURNS xid8 LANGUAGE sql STABLE
    RETURN (tx::text::bigint + (coalesce((SELECT generation FROM relayed), 0)::bigint << 48))::text::xid8;

ALTER TABLE events ALTER tx SET DEFAULT feed_number(pg_current_xact_id());
