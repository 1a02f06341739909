-- Every table that takes rows, with what a row of it needs: one JSON document, small tables of big databases alike.
WITH ns AS (
    SELECT n.oid FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'nica', 'nica_attic')
)
SELECT coalesce(jsonb_agg(jsonb_build_object(
    'id', c.oid::bigint,
    'name', c.oid::regclass::text,
    'columns', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', quote_ident(a.attname),
            'type', format_type(a.atttypid, a.atttypmod),
            'base', format_type(b.oid, NULL),
            'category', b.typcategory::text,
            'required', (a.attnotnull OR t.typnotnull) AND NOT a.atthasdef AND t.typdefault IS NULL,
            'counted', coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false) OR a.attidentity = 'd',
            'labels', (SELECT coalesce(jsonb_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
                FROM pg_enum e WHERE e.enumtypid = b.oid),
            'checks', (SELECT coalesce(jsonb_object_agg(k.conname, pg_get_constraintdef(k.oid)), '{}')
                FROM pg_constraint k
                WHERE k.contype = 'c' AND (k.conrelid = c.oid AND a.attnum = ANY (k.conkey) OR k.contypid = t.oid)),
            'parent', (
                SELECT jsonb_build_array(k.confrelid::regclass::text, (
                    SELECT quote_ident(f.attname) FROM pg_attribute f
                    WHERE f.attrelid = k.confrelid AND f.attnum = k.confkey[array_position(k.conkey, a.attnum)]))
                FROM pg_constraint k
                WHERE k.contype = 'f' AND k.conrelid = c.oid AND a.attnum = ANY (k.conkey)
                ORDER BY k.conname LIMIT 1)
            ) ORDER BY a.attnum), '[]')
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a')
    ) ORDER BY c.oid), '[]')
FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
