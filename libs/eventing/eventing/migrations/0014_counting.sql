-- An inserted row is counted without grouping: it has one key.

-- As in 0005; the slot of the process, which is nearly always free, is tried without a loop.
CREATE OR REPLACE FUNCTION counter_slot(counters regclass) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    own int := pg_backend_pid() % 64;
BEGIN
    IF pg_try_advisory_xact_lock(counters::oid::int, own) THEN
        RETURN own;
    END IF;
    FOR further IN 1..63 LOOP
        IF pg_try_advisory_xact_lock(counters::oid::int, (own + further) % 64) THEN
            RETURN (own + further) % 64;
        END IF;
    END LOOP;
    RETURN own;
END $$;

-- Defines the function of the trigger that counts rows by `keys` in the table `counters`.
CREATE FUNCTION define_counting(counters name, keys name[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    key_list  text := (SELECT string_agg(quote_ident(key), ', ') FROM unnest(keys) AS key);
    new_list  text := (SELECT string_agg('NEW.' || quote_ident(key), ', ') FROM unnest(keys) AS key);
    old_list  text := (SELECT string_agg('OLD.' || quote_ident(key), ', ') FROM unnest(keys) AS key);
BEGIN
    -- Keys are always locked in one order, so that no two transactions that share a slot wait for each other for ever.
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO %1$I AS c (%2$s, slot, n) VALUES (%4$s, counter_slot(%3$L), 1)
                ON CONFLICT (%2$s, slot) DO UPDATE SET n = c.n + 1;
                RETURN NULL;
            END IF;
            INSERT INTO %1$I AS c (%2$s, slot, n)
            SELECT %2$s, counter_slot(%3$L), sum(n)
            FROM (
                SELECT %4$s, 1 WHERE TG_OP <> 'DELETE'
                UNION ALL
                SELECT %5$s, -1
            ) AS change (%2$s, n)
            GROUP BY %2$s
            HAVING sum(n) <> 0
            ORDER BY %2$s
            ON CONFLICT (%2$s, slot) DO UPDATE SET n = c.n + excluded.n;
            RETURN NULL;
        END $body$ $function$, counters, key_list, quote_ident(counters), new_list, old_list);
END $$;

-- As in 0005.
CREATE OR REPLACE FUNCTION count_rows(source regclass, counters name, keys name[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    key_list  text := (SELECT string_agg(quote_ident(key), ', ') FROM unnest(keys) AS key);
BEGIN
    EXECUTE format(
        'CREATE TABLE %1$I AS SELECT %2$s, 0 AS slot, 0::bigint AS n FROM %3$s WITH NO DATA', counters, key_list, source);
    EXECUTE format(
        'ALTER TABLE %1$I ALTER slot SET NOT NULL, ALTER n SET NOT NULL, ADD PRIMARY KEY (%2$s, slot)', counters, key_list);
    PERFORM define_counting(counters, keys);
    EXECUTE format(
        'CREATE TRIGGER %1$I AFTER INSERT OR DELETE OR UPDATE OF %2$s ON %3$s FOR EACH ROW EXECUTE FUNCTION %1$I()',
        counters, key_list, source);
    EXECUTE format(
        'INSERT INTO %1$I (%2$s, slot, n) SELECT %2$s, 0, count(*) FROM %3$s GROUP BY %2$s', counters, key_list, source);
END $$;

-- The functions of the triggers that there are have the names of the tables of counters.
SELECT define_counting(c.relname, array_agg(a.attname ORDER BY a.attnum))
FROM pg_proc p
    JOIN pg_class c ON c.relname = p.proname AND c.relnamespace = p.pronamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attname NOT IN ('slot', 'n')
WHERE p.pronamespace = current_schema()::regnamespace AND p.prorettype = 'trigger'::regtype
    AND strpos(p.prosrc, 'counter_slot') > 0
GROUP BY c.relname;
