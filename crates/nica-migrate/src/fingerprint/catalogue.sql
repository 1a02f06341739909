-- Every object as (object, line), sorted: what counts as the schema. Read with an empty search path, so that each
-- name carries its schema. Owners are nobody's business, members of an extension are the extension's, partitions are
-- data. Ranks keep the lines of one object in a readable order; keys order inside of a rank.
WITH ns AS (
    SELECT n.oid, quote_ident(n.nspname) AS name, n.nspacl AS acl, n.nspowner AS owner
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'nica', 'nica_attic')
),
member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
),
rel AS (
    SELECT c.*, ns.name || '.' || quote_ident(c.relname) AS name,
        CASE c.relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'table ' WHEN 'v' THEN 'view '
            WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' WHEN 'S' THEN 'sequence '
            ELSE 'type ' END || ns.name || '.' || quote_ident(c.relname) AS object
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
),
func AS (
    SELECT p.*, CASE p.prokind WHEN 'a' THEN 'aggregate ' WHEN 'p' THEN 'procedure ' ELSE 'function ' END
        || ns.name || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS object
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
),
typ AS (
    SELECT t.*, CASE t.typtype WHEN 'd' THEN 'domain ' ELSE 'type ' END || ns.name || '.' || quote_ident(t.typname) AS object
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typtype IN ('d', 'e', 'r', 'c') AND (c.oid IS NULL OR c.relkind = 'c')
        AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
acl AS (
    SELECT 'schema ' || name AS object, '' AS place, owner, coalesce(acl, acldefault('n', owner)) AS acl FROM ns
    UNION ALL
    SELECT object, '', relowner, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM rel WHERE relkind <> 'c'
    UNION ALL
    SELECT rel.object, ' on ' || quote_ident(a.attname), rel.relowner, a.attacl
    FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attacl IS NOT NULL
    UNION ALL
    SELECT object, '', proowner, coalesce(proacl, acldefault('f', proowner)) FROM func
    UNION ALL
    SELECT object, '', typowner, coalesce(typacl, acldefault('T', typowner)) FROM typ
    UNION ALL
    SELECT coalesce('schema ' || ns.name, 'database'), ' by default on ' || CASE d.defaclobjtype WHEN 'r' THEN 'tables'
            WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END,
        d.defaclrole, d.defaclacl
    FROM pg_default_acl d LEFT JOIN ns ON ns.oid = d.defaclnamespace
    WHERE d.defaclnamespace = 0 OR ns.oid IS NOT NULL
),
line (object, rank, key, line) AS (
    SELECT 'schema ' || name, 0, '', '' FROM ns
    UNION ALL
    SELECT 'extension ' || quote_ident(e.extname), 0, '',
        'version ' || e.extversion || ' in ' || quote_ident(n.nspname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace

    UNION ALL
    SELECT object, 0, '', concat_ws(' ',
        CASE relpersistence WHEN 'u' THEN 'unlogged' END,
        CASE relkind WHEN 'p' THEN 'partition by ' || pg_get_partkeydef(oid) END,
        CASE WHEN relrowsecurity THEN 'row security' END,
        CASE WHEN relforcerowsecurity THEN 'forced' END,
        CASE WHEN relkind = 'm' AND NOT relispopulated THEN 'not populated' END,
        CASE relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN
            CASE WHEN relkind IN ('r', 'p') THEN 'replica identity nothing' END WHEN 'i' THEN 'replica identity index' END,
        'with (' || (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(reloptions) o) || ')')
    FROM rel WHERE relkind <> 'c'
    UNION ALL
    SELECT rel.object, 1, '', 'inherits ' || i.inhparent::regclass::text
    FROM rel JOIN pg_inherits i ON i.inhrelid = rel.oid

    UNION ALL
    SELECT rel.object, 2, CASE rel.relkind WHEN 'c' THEN lpad(a.attnum::text, 6, '0') ELSE '' END,
        concat_ws(' ', 'column', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
            CASE WHEN a.attnotnull THEN 'not null' END,
            CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
            CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END || pg_get_expr(d.adbin, d.adrelid))
    FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE rel.relkind <> 'S'

    UNION ALL
    SELECT rel.object, 3, '', 'constraint ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
    FROM rel JOIN pg_constraint k ON k.conrelid = rel.oid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT typ.object, 3, '', 'constraint ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
    FROM typ JOIN pg_constraint k ON k.contypid = typ.oid WHERE k.contype = 'c'

    UNION ALL
    SELECT rel.object, 4, '', pg_get_indexdef(i.indexrelid)
        || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ' INVALID' END
        || CASE WHEN i.indisreplident THEN ' replica identity' ELSE '' END
    FROM rel JOIN pg_index i ON i.indrelid = rel.oid
    UNION ALL
    SELECT rel.object, 4, '', pg_get_statisticsobjdef(s.oid)
    FROM rel JOIN pg_statistic_ext s ON s.stxrelid = rel.oid

    UNION ALL
    SELECT rel.object, 5, '', pg_get_triggerdef(t.oid)
        || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' replica' ELSE ' always' END
    FROM rel JOIN pg_trigger t ON t.tgrelid = rel.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT rel.object, 6, '', concat_ws(' ', 'policy', quote_ident(p.polname),
        CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
        CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
        'to ' || (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(r)) END, ', '
            ORDER BY pg_get_userbyid(r) COLLATE "C") FROM unnest(p.polroles) r),
        'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
    FROM rel JOIN pg_policy p ON p.polrelid = rel.oid
    UNION ALL
    SELECT rel.object, 7, '', pg_get_ruledef(r.oid) || CASE r.ev_enabled WHEN 'O' THEN '' ELSE ' ' || r.ev_enabled::text END
    FROM rel JOIN pg_rewrite r ON r.ev_class = rel.oid WHERE r.rulename <> '_RETURN'

    UNION ALL
    SELECT rel.object, 8, lpad(b.n::text, 6, '0'), b.text
    FROM rel CROSS JOIN regexp_split_to_table(pg_get_viewdef(rel.oid), '\n') WITH ORDINALITY AS b(text, n)
    WHERE rel.relkind IN ('v', 'm')
    UNION ALL
    SELECT func.object, 8, lpad(b.n::text, 6, '0'), b.text
    FROM func CROSS JOIN regexp_split_to_table(pg_get_functiondef(func.oid), '\n') WITH ORDINALITY AS b(text, n)
    WHERE func.prokind <> 'a'
    UNION ALL
    SELECT func.object, 8, '', concat_ws(' ', 'returns', format_type(func.prorettype, NULL), 'sfunc', a.aggtransfn::text,
        'stype', format_type(a.aggtranstype, NULL), 'final', a.aggfinalfn::text, 'combine', a.aggcombinefn::text,
        'sort', a.aggsortop::text, 'initial', a.agginitval, func.proparallel::text)
    FROM func JOIN pg_aggregate a ON a.aggfnoid = func.oid

    UNION ALL
    SELECT rel.object, 1, '', concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement,
        'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END,
        (SELECT 'owned by ' || d.refobjid::regclass::text || '.' || quote_ident(a.attname)
         FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.refclassid = 'pg_class'::regclass
            AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')))
    FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid

    UNION ALL
    SELECT typ.object, 0, '', CASE typ.typtype
        WHEN 'e' THEN 'enum'
        WHEN 'c' THEN 'composite'
        WHEN 'r' THEN (SELECT concat_ws(' ', 'range of', format_type(r.rngsubtype, NULL), nullif(r.rngsubdiff::oid, 0)::regproc::text)
            FROM pg_range r WHERE r.rngtypid = typ.oid)
        ELSE concat_ws(' ', format_type(typ.typbasetype, typ.typtypmod),
            CASE WHEN typ.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = typ.typbasetype)
                THEN 'collate ' || typ.typcollation::regcollation::text END,
            CASE WHEN typ.typnotnull THEN 'not null' END, 'default ' || typ.typdefault) END
    FROM typ
    UNION ALL
    SELECT typ.object, 1, lpad(row_number() OVER (PARTITION BY typ.oid ORDER BY e.enumsortorder)::text, 6, '0'),
        'value ' || quote_literal(e.enumlabel)
    FROM typ JOIN pg_enum e ON e.enumtypid = typ.oid

    UNION ALL
    SELECT 'collation ' || ns.name || '.' || quote_ident(c.collname), 0, '', concat_ws(' ', c.collprovider::text,
        c.collcollate, c.collctype, CASE WHEN NOT c.collisdeterministic THEN 'nondeterministic' END)
    FROM pg_collation c JOIN ns ON ns.oid = c.collnamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_collation'::regclass AND m.objid = c.oid)
    UNION ALL
    SELECT 'operator ' || ns.name || '.' || o.oprname || '(' || concat_ws(', ', format_type(nullif(o.oprleft, 0), NULL),
        format_type(nullif(o.oprright, 0), NULL)) || ')', 0, '',
        concat_ws(' ', o.oprcode::text, CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END)
    FROM pg_operator o JOIN ns ON ns.oid = o.oprnamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'event trigger ' || quote_ident(t.evtname), 0, '', concat_ws(' ', 'on', t.evtevent, t.evtfoid::regproc::text,
        t.evtenabled::text, array_to_string(t.evttags, ', '))
    FROM pg_event_trigger t
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = t.oid)

    UNION ALL
    SELECT acl.object, 9, acl.place, 'grant ' || string_agg(lower(x.privilege_type) || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', '
            ORDER BY x.privilege_type COLLATE "C") || acl.place
        || ' to ' || CASE x.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
    FROM acl CROSS JOIN aclexplode(acl.acl) x
    WHERE x.grantee <> acl.owner
    GROUP BY acl.object, acl.place, x.grantee
)
SELECT object::text, line::text FROM line ORDER BY object COLLATE "C", rank, key COLLATE "C", line COLLATE "C"
