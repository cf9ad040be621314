"""Administration: groups, API tokens, days on which users were active, counts of requests.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
SORT_KEY = sa.String(length=400).with_variant(sa.String(length=400, collation="C"), "postgresql")
IDS_ARE_NEVER_REUSED = {"sqlite_autoincrement": True}


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "groups",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_key", SORT_KEY, nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        **IDS_ARE_NEVER_REUSED,
    )
    op.create_index("uq_groups_name_key", "groups", ["name_key"], unique=True)
    op.create_table(
        "group_members",
        sa.Column("group_id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name="fk_group_members_group_id_groups", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_group_members_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_group_members"),
    )
    op.create_index("ix_group_members_user_id", "group_members", ["user_id"])
    op.create_table(
        "group_permissions",
        sa.Column("group_id", IDENTIFIER, nullable=False),
        sa.Column("permission", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name="fk_group_permissions_group_id_groups", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "permission", name="pk_group_permissions"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("last_used_address", sa.String(length=45), nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_tokens_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        **IDS_ARE_NEVER_REUSED,
    )
    op.create_index("uq_api_tokens_token_hash", "api_tokens", ["token_hash"], unique=True)
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"])
    op.create_table(
        "active_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_active_days_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("day", "user_id", name="pk_active_days"),
    )
    op.create_table(
        "request_counts",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("client_errors", sa.BigInteger(), nullable=False),
        sa.Column("server_errors", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "method", "route", name="pk_request_counts"),
    )
    op.create_index("ix_tasks_completed_at_created_at", "tasks", ["completed_at", "created_at"])
    op.create_index("ix_users_date_joined", "users", ["date_joined"])
    op.add_column("users", sa.Column("must_change_password", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("users", sa.Column("erased_at", MOMENT, nullable=True))


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("ix_users_date_joined", "users")
    op.drop_index("ix_tasks_completed_at_created_at", "tasks")
    op.drop_column("users", "erased_at")
    op.drop_column("users", "must_change_password")
    tables = ("request_counts", "active_days", "api_tokens", "group_permissions", "group_members", "groups")
    for table in tables:
        op.drop_table(table)
