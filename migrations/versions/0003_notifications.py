"""Notifications: what users are told of, and what they want to be told of.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.String(length=120).with_variant(sa.String(length=120, collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
SHOWN = sa.text("deleted_at IS NULL")
UNREAD = sa.text("read_at IS NULL AND deleted_at IS NULL")
INDEXES = (
    ("ix_notifications_shown_updated_at", ["user_id", "updated_at", "id", "type", "read_at"], SHOWN),
    ("ix_notifications_shown_created_at", ["user_id", "created_at", "id", "type", "read_at"], SHOWN),
    ("ix_notifications_unread", ["user_id", "key", "id", "type"], UNREAD),
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "notifications",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("key", KEY, nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_notifications_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_notifications_user_id_key", "notifications", ["user_id", "key"], unique=True)
    for name, columns, condition in INDEXES:
        op.create_index(name, "notifications", columns, sqlite_where=condition, postgresql_where=condition)
    op.create_index("ix_notifications_updated_at_id", "notifications", ["updated_at", "id"])
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_notification_preferences_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "type", name="pk_notification_preferences"),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("notification_preferences")
    op.drop_table("notifications")
