-- What programs hold on to, as one JSON document: relations with their columns, types, functions. Identities (oid,
-- column number) are in it, so that a thing that was replaced is not taken for the one that it replaces.
WITH ns AS (
    SELECT n.oid, n.nspname::text AS name, CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END AS prefix
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'nica', 'nica_attic')
),
member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
),
relation AS (
    SELECT ns.prefix || c.relname AS name, jsonb_build_object(
        'schema', ns.name,
        'table', c.relname,
        'id', c.oid::bigint,
        'kind', c.relkind::text,
        'keyed', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
        'owned', c.relkind = 'S' AND EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')),
        'row_security', c.relrowsecurity,
        'columns', (
            SELECT coalesce(jsonb_object_agg(a.attname, jsonb_build_object(
                'number', a.attnum,
                'type', format_type(a.atttypid, NULL),
                'modifier', a.atttypmod,
                'not_null', a.attnotnull OR t.typnotnull,
                'filled', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
                'computed', a.attgenerated <> '' OR a.attidentity = 'a',
                'generated', a.attgenerated <> '')), '{}')
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'S'),
        'constraints', (
            SELECT coalesce(jsonb_agg(regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')), '[]')
            FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'x')),
        'uniques', (
            SELECT coalesce(jsonb_agg(substring(pg_get_indexdef(i.indexrelid) FROM ' USING (.*)$')), '[]')
            FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique),
        'triggers', (
            SELECT coalesce(jsonb_agg(jsonb_build_array(t.name, t.text)), '[]') FROM (
                SELECT tgname AS name, pg_get_triggerdef(oid) || ' ' || tgenabled::text AS text
                FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
                UNION ALL
                SELECT rulename, pg_get_ruledef(oid) || ' ' || ev_enabled::text
                FROM pg_rewrite WHERE ev_class = c.oid AND rulename <> '_RETURN') t)
    ) AS body
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
),
kind AS (
    SELECT ns.prefix || t.typname AS name, jsonb_build_object(
        'labels', (SELECT coalesce(jsonb_agg(e.enumlabel), '[]') FROM pg_enum e WHERE e.enumtypid = t.oid),
        'not_null', t.typnotnull,
        'constraints', (
            SELECT coalesce(jsonb_agg(regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')), '[]')
            FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')
    ) AS body
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typtype IN ('d', 'e', 'r', 'c') AND (c.oid IS NULL OR c.relkind = 'c')
        AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
func AS (
    SELECT ns.prefix || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
)
SELECT jsonb_build_object(
    'relations', (SELECT coalesce(jsonb_object_agg(name, body), '{}') FROM relation),
    'types', (SELECT coalesce(jsonb_object_agg(name, body), '{}') FROM kind),
    'functions', (SELECT coalesce(jsonb_agg(name), '[]') FROM func),
    'event_triggers', (SELECT coalesce(jsonb_agg(evtname || ' ' || evtevent || ' ' || evtenabled::text), '[]') FROM pg_event_trigger))
