"""Rights in PostgreSQL: what the services' roles have, against what they must have. Makes no role and resets no password."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import asyncpg

from shared.access import EVERYBODY, OWNER, ROLES, SCHEMAS, DataRight, Thing, data_rights

_LOCK = 0x6A61636365
HOW_TO_MAKE = "deploy/postgres/10-roles.sql makes it, run by the server's superuser"
_SAID_AS = {"column": "TABLE", "function": "ROUTINE"}
_THINGS = """
    SELECT 'schema' AS kind, nspname AS schema, quote_ident(nspname) AS name, NULL AS part, false AS runs_as_owner, nspowner AS owner,
        coalesce(nspacl, acldefault('n', nspowner)) AS acl
    FROM pg_namespace WHERE nspname = ANY ($1)
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, nspname, format('%I.%I', nspname, relname), NULL, false, relowner,
        coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ANY ($1) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'column', nspname, format('%I.%I', nspname, relname), quote_ident(attname), false, relowner, attacl
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ANY ($1) AND attacl IS NOT NULL AND NOT attisdropped
    UNION ALL
    SELECT 'function', nspname, format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(pg_proc.oid)), NULL, prosecdef,
        proowner, coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE nspname = ANY ($1)
"""
_RIGHTS = """
    SELECT kind, schema, name, part, runs_as_owner, pg_get_userbyid(owner) AS owner,
        coalesce((SELECT json_agg(json_build_array(CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee)::text END, privilege_type))
            FROM aclexplode(acl) WHERE grantee <> owner), '[]')::text AS rights
    FROM things ORDER BY kind, name
"""
_ROLE_FACTS = """
    SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
        ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = pg_roles.oid) AS member_of,
        EXISTS (SELECT FROM pg_db_role_setting, unnest(setconfig) AS said
            WHERE setrole = pg_roles.oid AND said LIKE 'search_path=%') AS has_path,
        has_database_privilege(oid, current_database(), 'CREATE') AS makes_schemas,
        has_database_privilege(oid, current_database(), 'TEMPORARY') AS makes_temporary,
        EXISTS (SELECT FROM pg_namespace AS there
            WHERE nspname = 'public' AND has_schema_privilege(pg_roles.oid, there.oid, 'CREATE')) AS makes_public
    FROM pg_roles WHERE rolname = ANY ($1)
"""
_FAULTS = {
    "rolsuper": "is a superuser",
    "rolcreaterole": "may make roles",
    "rolcreatedb": "may make databases",
    "rolreplication": "may replicate the server",
    "rolbypassrls": "passes by row security",
    "makes_schemas": "may make schemas",
    "makes_temporary": "may make temporary tables",
    "makes_public": "may make tables in the schema public",
}


@dataclass(frozen=True)
class Difference:
    """`faults` are what only a superuser can put right, `others` the rights of roles that are none of ours: both are only told."""

    missing: list[DataRight] = field(default_factory=list)
    surplus: list[DataRight] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    others: list[DataRight] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        return not (self.missing or self.surplus or self.faults)


async def find_difference(connection: Any) -> Difference:
    roles = {row["rolname"]: row for row in await connection.fetch(_ROLE_FACTS, list(ROLES.values()))}
    rows = await connection.fetch(f"WITH things AS ({_THINGS}) {_RIGHTS}", list(SCHEMAS))
    things = [Thing(row["kind"], row["schema"], row["name"], row["part"], row["runs_as_owner"]) for row in rows]
    found = {
        DataRight(role or EVERYBODY, row["kind"], row["name"], privilege, row["part"])
        for row in rows
        for role, privilege in json.loads(row["rights"])
    }
    wanted = {right for right in data_rights(things) if right.role in roles}
    ours = {*ROLES.values(), EVERYBODY}
    faults = [f"role {role} does not exist: {HOW_TO_MAKE}" for role in ROLES.values() if role not in roles]
    faults += [fault for name in sorted(roles) for fault in _faults(roles[name])]
    faults += [
        f"{row['kind']} {row['name']} belongs to the service's role {row['owner']}" for row in rows if row["owner"] in ROLES.values()
    ]
    surplus = {right for right in found - wanted if right.role in ours}
    others = {right for right in found if right.role not in ours and right.role != OWNER}
    return Difference(sorted(wanted - found, key=_order), sorted(surplus, key=_order), faults, sorted(others, key=_order))


def _faults(role: Any) -> list[str]:
    name = role["rolname"]
    found = [f"role {name} {fault}" for fact, fault in _FAULTS.items() if role[fact]]
    found += [] if role["rolcanlogin"] else [f"role {name} may not log in"]
    found += [f"role {name} has the rights of {other} too" for other in role["member_of"]]
    found += [] if role["has_path"] else [f"role {name} has no search_path of its own"]
    return found


async def apply(connection: Any, difference: Difference) -> None:
    """All or nothing. Of what belongs to another role than this session's the server refuses the change."""
    for given, rights in ((True, difference.missing), (False, difference.surplus)):
        for (role, kind, name, column), some in groupby(rights, key=lambda right: (right.role, right.kind, right.name, right.column)):
            privileges = ", ".join(right.privilege + (f" ({column})" if column else "") for right in some)
            who = role if role == EVERYBODY else f'"{role}"'
            verb, joint = ("GRANT", "TO") if given else ("REVOKE", "FROM")
            await connection.execute(f"{verb} {privileges} ON {_SAID_AS.get(kind, kind)} {name} {joint} {who}")


async def apply_rights(dsn: str) -> list[str]:
    """After a migration: put the services' rights right where their roles are there; returns what was changed, a line each."""
    connection = await asyncpg.connect(dsn, timeout=5, command_timeout=30)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = ANY ($1))", list(ROLES.values())):
                return []
            difference = await find_difference(connection)
            await apply(connection, difference)
    finally:
        await connection.close()
    return lines_of(difference)


def lines_of(difference: Difference) -> list[str]:
    """`+` is missing, `-` is too much; the privileges of one role on one thing in one line."""
    return [*_lines("+", difference.missing), *_lines("-", difference.surplus)]


def _lines(sign: str, rights: Iterable[DataRight]) -> list[str]:
    found = []
    for _, some in groupby(rights, key=lambda right: (right.role, right.kind, right.name, right.column)):
        same = list(some)
        together = DataRight(same[0].role, same[0].kind, same[0].name, ", ".join(right.privilege for right in same), same[0].column)
        found.append(f"{sign} {together}")
    return found


def _order(right: DataRight) -> tuple[str, ...]:
    return (right.role, right.kind, right.name, right.column or "", right.privilege)
