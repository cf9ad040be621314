"""Background jobs, kept answers of requests with an Idempotency-Key, the scheduler's memory, exports of tasks.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

# As in 0001, but for a row that is not in the index: a batch takes its tasks out of it before it changes their
# categories, each of which would be indexed by itself, and changes the tasks last. PostgreSQL's trigger can already.
FACETS = """'s' || task.status || ' p' || task.priority || ' u' || task.user_id
           || ' a' || coalesce(task.assignee_id, 0) || ' j' || coalesce(task.project_id, 0)
           || coalesce(' d' || replace(task.due_date, '-', '') || ' m' || substr(task.due_date, 1, 4)
             || substr(task.due_date, 6, 2) || ' y' || substr(task.due_date, 1, 4)
             || ' e' || substr(task.due_date, 1, 3) || ' h' || substr(task.due_date, 1, 2)
             || ' k' || substr(task.due_date, 1, 1), ' d0')
           || coalesce((SELECT ' c' || group_concat(category_id, ' c') FROM task_categories
                        WHERE task_id = task.id), '')"""
INDEXED_COLUMNS = "search_title, search_text, status, priority, user_id, assignee_id, project_id, due_date"
DROP_TRIGGER = "DROP TRIGGER tasks_search_update"
TRIGGER = f"""CREATE TRIGGER tasks_search_update AFTER UPDATE OF {INDEXED_COLUMNS} ON tasks BEGIN
         INSERT OR REPLACE INTO tasks_search (rowid, title, body, facets)
         SELECT id, search_title, search_text, {FACETS} FROM tasks AS task WHERE id = new.id;
       END"""
FORMER_TRIGGER = f"""CREATE TRIGGER tasks_search_update AFTER UPDATE OF {INDEXED_COLUMNS} ON tasks BEGIN
         UPDATE tasks_search SET (title, body, facets) = (
           SELECT search_title, search_text, {FACETS} FROM tasks AS task WHERE id = new.id) WHERE rowid = new.id;
       END"""
# On PostgreSQL, changed documents are sorted before they are put into the index: a thousand take half the time. Every
# search reads what is not in it yet: 256 kB at most, where PostgreSQL's default would be 4 MB.
BUFFERED = "ALTER INDEX ix_tasks_search_document SET (fastupdate = on, gin_pending_list_limit = 256)"
# Where hardly a task had categories when statistics were taken, the trigger read all of task_categories for each task.
BY_INDEX = "ALTER FUNCTION index_task SET enable_seqscan = off"
NOT_BY_INDEX = "ALTER FUNCTION index_task RESET enable_seqscan"
UNBUFFERED = "ALTER INDEX ix_tasks_search_document SET (fastupdate = off)"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("checkpoint", sa.JSON(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=300), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_state_run_at", "jobs", ["state", "run_at"])
    op.create_index("ix_jobs_owner_id_id", "jobs", ["owner_id", "id"])
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])
    op.create_index("uq_jobs_key", "jobs", ["key"], unique=True)
    op.create_table(
        "job_parts",
        sa.Column("job_id", IDENTIFIER, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_parts_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_parts"),
    )
    op.create_table(
        "idempotency_records",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_records"),
    )
    op.create_index("ix_idempotency_records_expires_at", "idempotency_records", ["expires_at"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "scheduled_runs",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("next_run_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_scheduled_runs"),
    )
    op.create_table(
        "task_exports",
        sa.Column("job_id", IDENTIFIER, nullable=False),
        sa.Column("file_id", IDENTIFIER, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_task_exports_job_id_jobs", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name="fk_task_exports_file_id_files", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("job_id", name="pk_task_exports"),
    )
    op.create_index("uq_task_exports_file_id", "task_exports", ["file_id"], unique=True)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (DROP_TRIGGER, TRIGGER) if is_sqlite else (BUFFERED, BY_INDEX):
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (DROP_TRIGGER, FORMER_TRIGGER) if is_sqlite else (UNBUFFERED, NOT_BY_INDEX):
        op.execute(statement)
    tables = ("task_exports", "scheduled_runs", "leases", "idempotency_records", "job_parts", "jobs")
    for table in tables:
        op.drop_table(table)
