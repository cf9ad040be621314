"""Baseline: accounts, tasks, the event log and the audit log, with full-text search of tasks.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SORT_KEY = sa.String(length=400).with_variant(sa.String(length=400, collation="C"), "postgresql")

# One inverted index of the words and the facets of tasks. The words arrive folded and separated by blanks, so that the
# engine has nothing to decide but where a blank is. A facet is a letter and a number: s status, p priority, u owner,
# a assignee, j project, c category; d, m, y, e, h, k the day, month, year, decade, century and millennium of the due
# date; 0 is none.
SQLITE_FACETS = """'s' || task.status || ' p' || task.priority || ' u' || task.user_id
           || ' a' || coalesce(task.assignee_id, 0) || ' j' || coalesce(task.project_id, 0)
           || coalesce(' d' || replace(task.due_date, '-', '') || ' m' || substr(task.due_date, 1, 4)
             || substr(task.due_date, 6, 2) || ' y' || substr(task.due_date, 1, 4)
             || ' e' || substr(task.due_date, 1, 3) || ' h' || substr(task.due_date, 1, 2)
             || ' k' || substr(task.due_date, 1, 1), ' d0')
           || coalesce((SELECT ' c' || group_concat(category_id, ' c') FROM task_categories
                        WHERE task_id = task.id), '')"""
INDEXED_COLUMNS = "search_title, search_text, status, priority, user_id, assignee_id, project_id, due_date"
SQLITE_SEARCH = (
    """CREATE VIRTUAL TABLE tasks_search USING fts5(
         title, body, facets, tokenize = 'ascii', prefix = '1 2 3', detail = 'column', columnsize = 0)""",
    f"""CREATE TRIGGER tasks_search_insert AFTER INSERT ON tasks BEGIN
         INSERT INTO tasks_search (rowid, title, body, facets)
         SELECT id, search_title, search_text, {SQLITE_FACETS} FROM tasks AS task WHERE id = new.id;
       END""",
    f"""CREATE TRIGGER tasks_search_update AFTER UPDATE OF {INDEXED_COLUMNS} ON tasks BEGIN
         UPDATE tasks_search SET (title, body, facets) = (
           SELECT search_title, search_text, {SQLITE_FACETS} FROM tasks AS task WHERE id = new.id) WHERE rowid = new.id;
       END""",
    """CREATE TRIGGER tasks_search_delete AFTER DELETE ON tasks BEGIN
         DELETE FROM tasks_search WHERE rowid = old.id;
       END""",
    *(
        f"""CREATE TRIGGER task_categories_search_{event.lower()} AFTER {event} ON task_categories BEGIN
         UPDATE tasks_search SET facets = (SELECT {SQLITE_FACETS} FROM tasks AS task WHERE id = {row}.task_id)
         WHERE rowid = {row}.task_id AND EXISTS (SELECT 1 FROM tasks WHERE id = {row}.task_id);
       END"""
        for event, row in (("INSERT", "new"), ("DELETE", "old"))
    ),
)
# Facets stand behind "#", and words of the title a second time behind "=", for searches in the title only. The
# documents have a table of their own: a second update of the task's row would lock its project, in the wrong order.
POSTGRESQL_SEARCH = (
    "CREATE TABLE tasks_search (id bigint CONSTRAINT pk_tasks_search PRIMARY KEY, document tsvector NOT NULL)",
    r"""CREATE FUNCTION document_of_task(task tasks) RETURNS tsvector LANGUAGE sql STABLE AS $$
         SELECT array_to_tsvector(
           string_to_array(regexp_replace(task.search_title, '(^| )(?=.)', '\1=', 'g'), ' ')
           || string_to_array(task.search_title, ' ') || string_to_array(task.search_text, ' ')
           || ARRAY['#s' || task.status, '#p' || task.priority, '#u' || task.user_id,
                    '#a' || coalesce(task.assignee_id, 0), '#j' || coalesce(task.project_id, 0)]
           || CASE WHEN task.due_date IS NULL THEN ARRAY['#d0'] ELSE ARRAY[
                to_char(task.due_date, '"#d"YYYYMMDD'), to_char(task.due_date, '"#m"YYYYMM'),
                to_char(task.due_date, '"#y"YYYY'), '#e' || left(to_char(task.due_date, 'YYYY'), 3),
                '#h' || left(to_char(task.due_date, 'YYYY'), 2),
                '#k' || left(to_char(task.due_date, 'YYYY'), 1)] END
           || ARRAY(SELECT '#c' || category_id FROM task_categories WHERE task_id = task.id))
       $$""",
    """CREATE FUNCTION index_task() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         INSERT INTO tasks_search VALUES (NEW.id, document_of_task(NEW))
         ON CONFLICT (id) DO UPDATE SET document = excluded.document;
         RETURN NULL;
       END $$""",
    """CREATE FUNCTION forget_task() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         DELETE FROM tasks_search WHERE id = OLD.id;
         RETURN NULL;
       END $$""",
    """CREATE FUNCTION index_tasks_of_links() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         UPDATE tasks_search AS entry SET document = document_of_task(tasks) FROM tasks
         WHERE tasks.id = entry.id AND entry.id IN (SELECT task_id FROM changed_links);
         RETURN NULL;
       END $$""",
    f"""CREATE TRIGGER tasks_search_write AFTER INSERT OR UPDATE OF {INDEXED_COLUMNS} ON tasks
       FOR EACH ROW EXECUTE FUNCTION index_task()""",
    "CREATE TRIGGER tasks_search_delete AFTER DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION forget_task()",
    """CREATE TRIGGER task_categories_search_insert AFTER INSERT ON task_categories
       REFERENCING NEW TABLE AS changed_links FOR EACH STATEMENT EXECUTE FUNCTION index_tasks_of_links()""",
    """CREATE TRIGGER task_categories_search_delete AFTER DELETE ON task_categories
       REFERENCING OLD TABLE AS changed_links FOR EACH STATEMENT EXECUTE FUNCTION index_tasks_of_links()""",
    "CREATE INDEX ix_tasks_search_document ON tasks_search USING gin (document) WITH (fastupdate = off)",
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_entries",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("target_type", sa.String(length=40), nullable=True),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_entries_actor_id", "audit_entries", ["actor_id"], unique=False)
    op.create_index("ix_audit_entries_occurred_at", "audit_entries", ["occurred_at"], unique=False)
    op.create_index(
        "ix_audit_entries_target_type_target_id", "audit_entries", ["target_type", "target_id"], unique=False
    )

    op.create_table(
        "events",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_occurred_at", "events", ["occurred_at"], unique=False)

    op.create_table(
        "sign_in_failures",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=45), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_sign_in_failures_name_hash_network", "sign_in_failures", ["name_hash", "network"], unique=True)

    op.create_table(
        "users",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("username", sa.String(length=30), nullable=False),
        sa.Column("username_key", sa.String(length=30), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("display_name", sa.String(length=100), nullable=False),
        sa.Column("first_name", sa.String(length=50), nullable=False),
        sa.Column("last_name", sa.String(length=50), nullable=False),
        sa.Column("date_of_birth", sa.Date(), nullable=True),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("country", sa.String(length=100), nullable=False),
        sa.Column("website", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("theme", sa.String(length=10), nullable=False),
        sa.Column("date_joined", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('user', 'staff', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_users_email_key", "users", ["email_key"], unique=True)
    op.create_index("uq_users_username_key", "users", ["username_key"], unique=True)

    op.create_table(
        "categories",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", SORT_KEY, nullable=False),
        sa.Column("name_nb", sa.String(length=100), nullable=True),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=True),
        sa.Column("created_by", IDENTIFIER, nullable=True),
        sa.Column("search_document", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_categories_created_by_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_categories_name_key", "categories", ["name_key"], unique=True)
    op.create_index("uq_categories_slug", "categories", ["slug"], unique=True)

    op.create_table(
        "password_resets",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_password_resets_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_resets")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_password_resets_user_id", "password_resets", ["user_id"], unique=False)
    op.create_index("uq_password_resets_token_hash", "password_resets", ["token_hash"], unique=True)

    op.create_table(
        "projects",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", SORT_KEY, nullable=False),
        sa.Column("name_nb", sa.String(length=200), nullable=False),
        sa.Column("slug", sa.String(length=220), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("description_nb", sa.Text(), nullable=False),
        sa.Column("search_document", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_projects_user_id_users"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_projects_name_key", "projects", ["name_key"], unique=False)
    op.create_index("ix_projects_slug", "projects", ["slug"], unique=False)
    op.create_index("ix_projects_user_id", "projects", ["user_id"], unique=False)

    op.create_table(
        "user_sessions",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=30), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"], unique=False)

    op.create_table(
        "project_members",
        sa.Column("project_id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_project_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
    )
    op.create_index("ix_project_members_user_id_project_id", "project_members", ["user_id", "project_id"], unique=False)

    op.create_table(
        "refresh_tokens",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("session_id", IDENTIFIER, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["user_sessions.id"],
            name=op.f("fk_refresh_tokens_session_id_user_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"], unique=False)
    op.create_index("uq_refresh_tokens_token_hash", "refresh_tokens", ["token_hash"], unique=True)

    op.create_table(
        "tasks",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("assignee_id", IDENTIFIER, nullable=True),
        sa.Column("project_id", IDENTIFIER, nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("title_key", SORT_KEY, nullable=False),
        sa.Column("title_nb", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("description_nb", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("estimated_hours", sa.Double(), nullable=True),
        sa.Column("search_title", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["users.id"], name=op.f("fk_tasks_assignee_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_tasks_project_id_projects"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tasks_user_id_users"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_assignee_id", "tasks", ["assignee_id"], unique=False)
    op.create_index("ix_tasks_created_at_id", "tasks", ["created_at", "id"], unique=False)
    op.create_index("ix_tasks_due_date_id", "tasks", ["due_date", "id"], unique=False)
    op.create_index(
        "ix_tasks_filters",
        "tasks",
        ["status", "priority", "due_date", "project_id", "assignee_id", "user_id", "created_at", "updated_at", "id"],
        unique=False,
    )
    op.create_index("ix_tasks_project_id", "tasks", ["project_id"], unique=False)
    op.create_index("ix_tasks_status_id", "tasks", ["status", "id"], unique=False)
    op.create_index("ix_tasks_priority_id", "tasks", ["priority", "id"], unique=False)
    op.create_index("ix_tasks_title_key_id", "tasks", ["title_key", "id"], unique=False)
    op.create_index("ix_tasks_updated_at_id", "tasks", ["updated_at", "id"], unique=False)
    op.create_index("ix_tasks_user_id_created_at", "tasks", ["user_id", "created_at"], unique=False)

    op.create_table(
        "task_categories",
        sa.Column("task_id", IDENTIFIER, nullable=False),
        sa.Column("category_id", IDENTIFIER, nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["categories.id"],
            name=op.f("fk_task_categories_category_id_categories"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_categories_task_id_tasks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "category_id", name=op.f("pk_task_categories")),
    )
    op.create_index(
        "ix_task_categories_category_id_task_id", "task_categories", ["category_id", "task_id"], unique=False
    )

    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_SEARCH if is_sqlite else POSTGRESQL_SEARCH:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE tasks_search")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION index_task, forget_task, index_tasks_of_links CASCADE")
        op.execute("DROP FUNCTION document_of_task")
    op.drop_index("ix_task_categories_category_id_task_id", "task_categories")

    op.drop_table("task_categories")
    op.drop_index("ix_tasks_user_id_created_at", "tasks")
    op.drop_index("ix_tasks_updated_at_id", "tasks")
    op.drop_index("ix_tasks_status_id", "tasks")
    op.drop_index("ix_tasks_priority_id", "tasks")
    op.drop_index("ix_tasks_title_key_id", "tasks")
    op.drop_index("ix_tasks_project_id", "tasks")
    op.drop_index("ix_tasks_filters", "tasks")
    op.drop_index("ix_tasks_due_date_id", "tasks")
    op.drop_index("ix_tasks_created_at_id", "tasks")
    op.drop_index("ix_tasks_assignee_id", "tasks")

    op.drop_table("tasks")
    op.drop_index("uq_refresh_tokens_token_hash", "refresh_tokens")
    op.drop_index("ix_refresh_tokens_session_id", "refresh_tokens")

    op.drop_table("refresh_tokens")
    op.drop_index("ix_project_members_user_id_project_id", "project_members")

    op.drop_table("project_members")
    op.drop_index("ix_user_sessions_user_id", "user_sessions")

    op.drop_table("user_sessions")
    op.drop_index("ix_projects_user_id", "projects")
    op.drop_index("ix_projects_slug", "projects")
    op.drop_index("ix_projects_name_key", "projects")

    op.drop_table("projects")
    op.drop_index("uq_password_resets_token_hash", "password_resets")
    op.drop_index("ix_password_resets_user_id", "password_resets")

    op.drop_table("password_resets")
    op.drop_index("uq_categories_slug", "categories")
    op.drop_index("uq_categories_name_key", "categories")

    op.drop_table("categories")
    op.drop_index("uq_users_username_key", "users")
    op.drop_index("uq_users_email_key", "users")

    op.drop_table("users")
    op.drop_index("uq_sign_in_failures_name_hash_network", "sign_in_failures")

    op.drop_table("sign_in_failures")
    op.drop_index("ix_events_occurred_at", "events")

    op.drop_table("events")
    op.drop_index("ix_audit_entries_target_type_target_id", "audit_entries")
    op.drop_index("ix_audit_entries_occurred_at", "audit_entries")
    op.drop_index("ix_audit_entries_actor_id", "audit_entries")

    op.drop_table("audit_entries")
