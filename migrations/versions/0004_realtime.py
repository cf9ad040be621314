"""Realtime: server processes, presence, tickets for event streams.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "server_processes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_server_processes"),
    )
    op.create_table(
        "presence",
        sa.Column("room", sa.String(length=40), nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("process_id", sa.String(length=32), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_presence_user_id_users", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["process_id"], ["server_processes.id"], name="fk_presence_process_id_server_processes", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("room", "user_id", "process_id", name="pk_presence"),
    )
    op.create_index("ix_presence_process_id", "presence", ["process_id"])
    op.create_table(
        "event_tickets",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("session_id", IDENTIFIER, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["user_sessions.id"], name="fk_event_tickets_session_id_user_sessions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_event_tickets"),
    )
    op.create_index("ix_event_tickets_expires_at", "event_tickets", ["expires_at"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("event_tickets", "presence", "server_processes"):
        op.drop_table(table)
