"""The chain of the audit log: digests and links of entries, the heads of days, and the indexes of its filters.

Revision ID: 0007
Revises: 0006
"""

import json
from datetime import UTC
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
BATCH = 2_000
FAILURES = sa.text("outcome = 'failure'")

# What an entry's digest stands for.
CONTENTS = (
    "actor_id",
    "action",
    "target_type",
    "target_id",
    "changes",
    "outcome",
    "request_id",
    "address",
    "user_agent",
)
ENTRIES = sa.table(
    "audit_entries",
    sa.column("id", IDENTIFIER),
    sa.column("occurred_at", MOMENT),
    *(sa.column(name, sa.JSON() if name == "changes" else None) for name in CONTENTS),
    sa.column("day", sa.Date()),
    sa.column("digest", sa.String()),
    sa.column("position", sa.Integer()),
    sa.column("link", sa.String()),
)

# The row of the day is locked until the commit: entries of all processes are one behind the other.
POSTGRESQL = (
    """CREATE FUNCTION chain_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         INSERT INTO audit_days AS of_day (day, entries, head)
         VALUES (NEW.day, 1,
                 encode(sha256(convert_to(to_char(NEW.day, 'YYYY-MM-DD') || NEW.digest, 'UTF8')), 'hex'))
         ON CONFLICT (day) DO UPDATE
         SET entries = of_day.entries + 1,
             head = encode(sha256(convert_to(of_day.head || NEW.digest, 'UTF8')), 'hex')
         RETURNING entries, head INTO NEW.position, NEW.link;
         RETURN NEW;
       END $$""",
    """CREATE TRIGGER audit_entries_chain BEFORE INSERT ON audit_entries
       FOR EACH ROW EXECUTE FUNCTION chain_audit_entry()""",
    # Written by nearly every transaction: with room beside it a new version of the row needs no new page.
    "ALTER TABLE audit_days SET (fillfactor = 50)",
)
SQLITE = (
    """CREATE TRIGGER audit_entries_chain AFTER INSERT ON audit_entries BEGIN
         INSERT INTO audit_days (day, entries, head) VALUES (NEW.day, 1, sha256_hex(NEW.day || NEW.digest))
         ON CONFLICT (day) DO UPDATE SET entries = entries + 1, head = sha256_hex(head || NEW.digest);
         UPDATE audit_entries SET (position, link) = (SELECT entries, head FROM audit_days WHERE day = NEW.day)
         WHERE id = NEW.id;
       END""",
)


def upgrade() -> None:
    """Chain what is there, and let the database chain what comes."""
    op.create_table(
        "audit_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("archived_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("day", name="pk_audit_days"),
    )
    op.add_column("audit_entries", sa.Column("day", sa.Date(), nullable=True))
    op.add_column("audit_entries", sa.Column("digest", sa.String(length=64), nullable=True))
    op.add_column("audit_entries", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("audit_entries", sa.Column("link", sa.String(length=64), nullable=True))
    _chain_former_entries()
    op.drop_index("ix_audit_entries_target_type_target_id", "audit_entries")
    op.create_index("ix_audit_entries_target", "audit_entries", ["target_type", "target_id", "occurred_at", "id"])
    op.create_index("uq_audit_entries_day_position", "audit_entries", ["day", "position"], unique=True)
    op.drop_index("ix_audit_entries_occurred_at", "audit_entries")
    op.drop_index("ix_audit_entries_actor_id", "audit_entries")
    op.create_index("ix_audit_entries_occurred_at_id", "audit_entries", ["occurred_at", "id"])
    for column in ("actor_id", "action"):
        op.create_index(f"ix_audit_entries_{column}_occurred_at_id", "audit_entries", [column, "occurred_at", "id"])
    op.create_index("ix_audit_entries_request_id", "audit_entries", ["request_id"])
    op.create_index(
        "ix_audit_entries_failures",
        "audit_entries",
        ["occurred_at", "id"],
        postgresql_where=FAILURES,
        sqlite_where=FAILURES,
    )
    for statement in POSTGRESQL if op.get_bind().dialect.name == "postgresql" else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Take the chain away."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_entries_chain ON audit_entries")
        op.execute("DROP FUNCTION chain_audit_entry")
    else:
        op.execute("DROP TRIGGER audit_entries_chain")
    op.drop_index("ix_audit_entries_target", "audit_entries")
    op.create_index("ix_audit_entries_target_type_target_id", "audit_entries", ["target_type", "target_id"])
    indexes = (
        "ix_audit_entries_failures",
        "ix_audit_entries_request_id",
        "ix_audit_entries_action_occurred_at_id",
        "ix_audit_entries_actor_id_occurred_at_id",
        "ix_audit_entries_occurred_at_id",
        "uq_audit_entries_day_position",
    )
    for index in indexes:
        op.drop_index(index, "audit_entries")
    op.create_index("ix_audit_entries_actor_id", "audit_entries", ["actor_id"])
    op.create_index("ix_audit_entries_occurred_at", "audit_entries", ["occurred_at"])
    for column in ("link", "position", "digest", "day"):
        op.drop_column("audit_entries", column)
    op.drop_table("audit_days")


def _chain_former_entries() -> None:
    """Chain the entries that are there, in the order of their ids."""
    connection = op.get_bind()
    days: dict[object, tuple[int, str]] = {}
    last_id = 0
    chained = (
        sa.update(ENTRIES)
        .where(ENTRIES.c.id == sa.bindparam("entry_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("day", "digest", "position", "link")})
    )
    columns = (ENTRIES.c.id, ENTRIES.c.occurred_at, *(ENTRIES.c[name] for name in CONTENTS))
    while True:
        wanted = sa.select(*columns).where(ENTRIES.c.id > last_id).order_by(ENTRIES.c.id).limit(BATCH)
        rows = connection.execute(wanted).all()
        if not rows:
            break
        links = []
        for row in rows:
            # SQLite has times without their zone.
            moment = row.occurred_at if row.occurred_at.tzinfo else row.occurred_at.replace(tzinfo=UTC)
            moment = moment.astimezone(UTC)
            contents = {name: getattr(row, name) for name in CONTENTS}
            contents["occurred_at"] = moment.isoformat().replace("+00:00", "Z")
            digest = sha256(json.dumps(contents, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
            position, former = days.get(moment.date(), (0, moment.date().isoformat()))
            link = sha256(f"{former}{digest}".encode()).hexdigest()
            days[moment.date()] = (position + 1, link)
            values = {"day": moment.date(), "digest": digest, "position": position + 1, "link": link}
            links.append({"entry_id": row.id} | {f"new_{name}": value for name, value in values.items()})
        connection.execute(chained, links)
        last_id = rows[-1].id
    if days:
        table = sa.table(
            "audit_days",
            sa.column("day", sa.Date()),
            sa.column("entries", sa.Integer()),
            sa.column("head", sa.String()),
        )
        heads = [{"day": day, "entries": entries, "head": head} for day, (entries, head) in sorted(days.items())]
        connection.execute(sa.insert(table), heads)
