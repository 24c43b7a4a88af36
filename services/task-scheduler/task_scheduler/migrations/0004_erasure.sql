SELECT erase_after('evt.task_scheduler.deleted');

-- The executions of a deleted task have no event of their deletion: they are erased when their rows have been deleted.
-- Which task an execution is of, its first event says. No JSON function: the variables may contain \u0000.
CREATE FUNCTION task_of(created events) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT substring(convert_from(created.state, 'UTF8') FROM '"task_id":"([0-9a-f-]{36})"')::uuid
$$;

CREATE FUNCTION add_erasures_of_executions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO erasures (aggregate, deletion, due_at)
    SELECT created.originator_id, 0, now() + erasure_delay()
    FROM deleted JOIN events AS created ON created.originator_id = deleted.id AND created.originator_version = 1
        JOIN erasures AS task ON task.aggregate = task_of(created)
    WHERE created.topic LIKE 'evt.task_scheduler.execution_created;%' AND created.topic NOT LIKE '%;erased'
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION add_erasures_of_executions() FROM PUBLIC;
ALTER FUNCTION add_erasures_of_executions() SET search_path = task_scheduler, pg_temp;

CREATE TRIGGER add_erasures_of_executions AFTER DELETE ON executions REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION add_erasures_of_executions();

INSERT INTO erasures (aggregate, deletion, due_at)
SELECT created.originator_id, 0, now() + erasure_delay()
FROM events AS created JOIN erasures AS task ON task.aggregate = task_of(created)
WHERE created.originator_version = 1 AND created.topic LIKE 'evt.task_scheduler.execution_created;%'
ON CONFLICT DO NOTHING;
