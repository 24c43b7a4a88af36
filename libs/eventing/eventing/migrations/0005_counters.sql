-- Counters: how many rows a table has for each value of some columns, so that a list's `total` need not count rows.
-- A count is the sum over the slots of its key. A service declares them in one line of its own migrations:
--
--     SELECT count_rows('reports', 'report_counts', '{user_id, status}');

-- Returns the slot of a table of counters that the transaction holds alone until it ends: that of its process, or the
-- next one that is free. So no two transactions wait for each other to count. When all 64 are taken it is that of the
-- process; two transactions that share one wait for each other, and the counts stay correct.
CREATE FUNCTION counter_slot(counters regclass) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    own int := pg_backend_pid() % 64;
BEGIN
    FOR further IN 0..63 LOOP
        IF pg_try_advisory_xact_lock(counters::oid::int, (own + further) % 64) THEN
            RETURN (own + further) % 64;
        END IF;
    END LOOP;
    RETURN own;
END $$;

-- Creates the table `counters`, with the columns `keys`, `slot` and `n`, counts the rows that `source` has, and lets a
-- trigger count what changes from now on. The columns `keys` of `source` must not be null.
-- Nobody else writes to `source` until the transaction ends: what is counted here is what the trigger goes on from.
CREATE FUNCTION count_rows(source regclass, counters name, keys name[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    key_list  text := (SELECT string_agg(quote_ident(key), ', ') FROM unnest(keys) AS key);
    new_list  text := (SELECT string_agg('NEW.' || quote_ident(key), ', ') FROM unnest(keys) AS key);
    old_list  text := (SELECT string_agg('OLD.' || quote_ident(key), ', ') FROM unnest(keys) AS key);
BEGIN
    EXECUTE format(
        'CREATE TABLE %1$I AS SELECT %2$s, 0 AS slot, 0::bigint AS n FROM %3$s WITH NO DATA', counters, key_list, source);
    EXECUTE format(
        'ALTER TABLE %1$I ALTER slot SET NOT NULL, ALTER n SET NOT NULL, ADD PRIMARY KEY (%2$s, slot)', counters, key_list);
    -- Keys are always locked in one order, so that no two transactions that share a slot wait for each other for ever.
    EXECUTE format($function$
        CREATE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            INSERT INTO %1$I AS c (%2$s, slot, n)
            SELECT %2$s, counter_slot(%3$L), sum(n)
            FROM (
                SELECT %4$s, 1 WHERE TG_OP <> 'DELETE'
                UNION ALL
                SELECT %5$s, -1 WHERE TG_OP <> 'INSERT'
            ) AS change (%2$s, n)
            GROUP BY %2$s
            HAVING sum(n) <> 0
            ORDER BY %2$s
            ON CONFLICT (%2$s, slot) DO UPDATE SET n = c.n + excluded.n;
            RETURN NULL;
        END $body$ $function$, counters, key_list, quote_ident(counters), new_list, old_list);
    EXECUTE format(
        'CREATE TRIGGER %1$I AFTER INSERT OR DELETE OR UPDATE OF %2$s ON %3$s FOR EACH ROW EXECUTE FUNCTION %1$I()',
        counters, key_list, source);
    EXECUTE format(
        'INSERT INTO %1$I (%2$s, slot, n) SELECT %2$s, 0, count(*) FROM %3$s GROUP BY %2$s', counters, key_list, source);
END $$;
