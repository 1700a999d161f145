"""The proof that a PostgreSQL database is as its template: the catalogue row by row, and what is in every table.

Copies of a template have its very object ids, so that rows of the catalogue can be compared as they stand. Nothing is compared
that the server shows to be untouched: a row that was written since the template was sealed bears a later transaction id
(xmin; PostgreSQL documentation, section 5.6), and one that was deleted is missing in the number of rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[tuple[Any, ...]]

_SHOWN: Final = 10
# What the server notes for itself: sizes, statistics, horizons, and the file that TRUNCATE changes.
_NOTES: Final = (
    *("relpages", "reltuples", "relallvisible", "relallfrozen", "relfilenode", "relfrozenxid", "relminmxid"),
    *("relhasindex", "relhasrules", "relhastriggers", "relhassubclass", "indcheckxmin"),
)
_CONSEQUENCES: Final = ("pg_attribute", "pg_depend", "pg_shdepend", "pg_type")
_STATISTICS: Final = ("pg_statistic", "pg_statistic_ext_data")

# What gives a row of each catalogue its name in a message: the first column that is one.
_CATALOGUES: Final = """
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attname <> ALL (%s)),
       coalesce((array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'name'::regtype))[1], '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared AND c.relname <> ALL (%s)
GROUP BY c.relname ORDER BY c.relname"""
_TABLES: Final = """
SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Two transaction ids: `made` is from before the template's first table, `sealed` from after its last."""

    made: int
    sealed: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, materialized view or sequence, with the statements that make it as it was."""

    name: "sql.Identifier"
    kind: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database as its template is, and the questions that show whether another one is the same.

    `contents` holds for each table the number and a digest of its rows, for each sequence its value and whether that was used;
    `seeds` what COPY wrote of each table that has rows.
    """

    relations: Mapping[str, Relation]
    entries_query: bytes
    untouched_query: bytes
    contents_query: bytes | None
    entries: frozenset[tuple[str, str, str]]
    number: int
    contents: Mapping[str, tuple[int, str]]
    seeds: Mapping[str, bytes]

    @classmethod
    def of(cls, connection: "Connection", origin: Origin) -> "Snapshot":
        """Of a database that nobody has used yet."""
        from psycopg import sql

        relations = {
            f"{schema}.{name}": Relation(sql.Identifier(schema, name), kind)
            for schema, name, kind in connection.execute(_TABLES).fetchall()
        }
        catalogues = connection.execute(_CATALOGUES, [list(_NOTES), list(_STATISTICS)]).fetchall()
        entries_query = _entries_query(connection, catalogues, origin.made)
        untouched_query = _untouched_query(connection, catalogues, origin.sealed)
        contents_query = _contents_query(connection, relations)
        contents = _contents(connection, contents_query)
        seeds = {
            name: b"".join(_copied(connection, relation.name))
            for name, relation in relations.items()
            if relation.kind == "r" and contents[name][0]
        }
        ((number, _),) = connection.execute(untouched_query).fetchall()
        entries = frozenset(connection.execute(entries_query).fetchall())
        return cls(
            relations, entries_query, untouched_query, contents_query, entries, number, contents, seeds
        )

    def restore(self, connection: "Connection") -> None:
        """Make all contents as they were that are not: rows deleted, those of the template put back, sequences set.

        A materialized view that was refreshed stays as it is: a new refresh would change the catalogue.
        """
        now = _contents(connection, self.contents_query)
        dirty = {name: self.relations[name] for name in now if now[name] != self.contents[name]}
        if not dirty:
            return
        from psycopg import sql

        first: list[sql.Composable] = [sql.SQL("SET LOCAL session_replication_role = replica")]
        last: list[sql.Composable] = []
        for name, relation in dirty.items():
            value, used = self.contents[name]
            if relation.kind == "r":
                first.append(sql.SQL("DELETE FROM {}").format(relation.name))
            elif relation.kind == "S":
                called = used == "true"
                shown = relation.name.as_string(connection)
                last.append(sql.SQL("SELECT setval({}, {}, {})").format(shown, value, called))
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(sql.SQL("; ").join(first))
            for name in dirty.keys() & self.seeds.keys():
                with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(dirty[name].name)) as copy:
                    copy.write(self.seeds[name])
            if last:
                cursor.execute(sql.SQL("; ").join(last))

    def doubts(self, connection: "Connection") -> list[str]:
        """What is otherwise than in the template; empty when it is proven to be the same."""
        doubts = self.changes(connection)
        if doubts:
            return doubts  # a table that is gone cannot be asked for its rows
        for name, now in _contents(connection, self.contents_query).items():
            known = self.contents[name]
            if now == known:
                continue
            if self.relations[name].kind == "S":
                doubts.append(f"sequence {name} is at {now[0]} instead of {known[0]}")
            else:
                rows = f"{now[0]} rows instead of {known[0]}" if now[0] != known[0] else "other rows"
                doubts.append(f"{name} has {rows}")
        return doubts

    def changes(self, connection: "Connection") -> list[str]:
        """How the catalogue differs: each entry that is new, missing or another one, by its name."""
        ((number, written),) = connection.execute(self.untouched_query, prepare=True).fetchall()
        if number == self.number and not written:
            return []
        now = frozenset(connection.execute(self.entries_query).fetchall())
        new = {(catalogue, name) for catalogue, name, _ in now - self.entries}
        lost = {(catalogue, name) for catalogue, name, _ in self.entries - now}
        told = [
            *(f"{catalogue} lacks {name}" for catalogue, name in sorted(lost - new, key=_weight)),
            *(f"{catalogue} has {name} in addition" for catalogue, name in sorted(new - lost, key=_weight)),
            *(f"{catalogue} has another {name}" for catalogue, name in sorted(new & lost, key=_weight)),
        ]
        if not told and number != self.number:
            told = [f"its catalogue has {number} entries instead of {self.number}"]
        if len(told) > _SHOWN:
            told[_SHOWN:] = [f"and {len(told) - _SHOWN} more"]
        return told


def _weight(entry: tuple[str, str]) -> tuple[bool, str, str]:
    """What a person made comes before what the server made of it."""
    return entry[0] in _CONSEQUENCES, *entry


def _contents(connection: "Connection", query: bytes | None) -> dict[str, tuple[int, str]]:
    rows = connection.execute(query, prepare=True).fetchall() if query is not None else []
    return {name: (number, text) for name, number, text in rows}


def _copied(connection: "Connection", table: "sql.Identifier") -> Iterator[bytes]:
    from psycopg import sql

    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(table)) as copy:
        for block in copy:
            yield bytes(block)


def _contents_query(connection: "Connection", relations: Mapping[str, Relation]) -> bytes | None:
    from psycopg import sql

    rows = sql.SQL(
        "SELECT {}, count(*), coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {} t"
    )
    state = sql.SQL("SELECT {}, last_value, is_called::text FROM {}")
    parts = [
        (state if relation.kind == "S" else rows).format(name, relation.name)
        for name, relation in relations.items()
    ]
    return _joined(parts).as_bytes(connection) if parts else None


def _entries_query(connection: "Connection", catalogues: Iterable[tuple[Any, ...]], made: int) -> bytes:
    """All that was written to the catalogue since then: everything but what initdb made, unless that was changed."""
    from psycopg import sql

    pattern = sql.SQL("SELECT {}, {}, ROW({})::text FROM pg_catalog.{} t WHERE age(t.xmin) < age({}::xid)")
    parts = []
    for catalogue, columns, name in catalogues:
        fields = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(column)) for column in columns)
        shown = sql.SQL("t.{}::text").format(sql.Identifier(name)) if name else sql.SQL("'an entry'")
        parts.append(pattern.format(catalogue, shown, fields, sql.Identifier(catalogue), str(made)))
    return _joined(parts).as_bytes(connection)


def _untouched_query(connection: "Connection", catalogues: Iterable[tuple[Any, ...]], sealed: int) -> bytes:
    """How many entries there are, and how many of them were written since the template was sealed."""
    from psycopg import sql

    pattern = sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE age(t.xmin) < age({}::xid)) FROM pg_catalog.{} t"
    )
    parts = [pattern.format(str(sealed), sql.Identifier(catalogue)) for catalogue, _, _ in catalogues]
    total = sql.SQL("SELECT sum(number)::bigint, sum(written)::bigint FROM ({}) AS each (number, written)")
    return total.format(_joined(parts)).as_bytes(connection)


def _joined(parts: "Iterable[sql.Composed]") -> "sql.Composed":
    from psycopg import sql

    return sql.SQL(" UNION ALL ").join(parts)
