"""Media: files, the blog with its media library, images of tasks and projects, profile pictures, permissions.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SORT_KEY = sa.String(length=400).with_variant(sa.String(length=400, collation="C"), "postgresql")

TABLES = (
    "file_deletions",
    "file_derivatives",
    "file_owners",
    "files",
    "revisions",
    "media_files",
    "tags",
    "user_permissions",
    "posts",
    "project_images",
    "media_usages",
    "post_audio",
    "post_images",
    "post_slugs",
    "post_tags",
    "post_videos",
    "task_images",
)
# What SQLite's copy of the table of users would lose.
USERS = {
    "table_args": (sa.CheckConstraint("role IN ('user', 'staff', 'admin')", name="ck_users_role"),),
    "table_kwargs": {"sqlite_autoincrement": True},
}
PICTURE_KEY = "fk_users_profile_picture_id_files"
# Tables with an inverted index of their words, as tasks have one, and its facets of their rows: of a file in the
# library u its uploader, f its format.
SEARCHED = {"posts": (), "media_files": (("u", "uploaded_by"), ("f", "format"))}


def sqlite_search(table: str) -> tuple[str, ...]:
    """Return the statements that make the index of ``table`` and keep it."""
    facets = " || ' ' || ".join(f"'{letter}' || new.{column}" for letter, column in SEARCHED[table]) or "''"
    return (
        f"""CREATE VIRTUAL TABLE {table}_search USING fts5(
             title, body, facets, tokenize = 'ascii', prefix = '1 2 3', detail = 'column', columnsize = 0)""",
        f"""CREATE TRIGGER {table}_search_insert AFTER INSERT ON {table} BEGIN
             INSERT INTO {table}_search (rowid, title, body, facets)
             VALUES (new.id, new.search_title, new.search_text, {facets});
           END""",
        f"""CREATE TRIGGER {table}_search_update AFTER UPDATE OF search_title, search_text ON {table} BEGIN
             UPDATE {table}_search SET title = new.search_title, body = new.search_text WHERE rowid = new.id;
           END""",
        f"""CREATE TRIGGER {table}_search_delete AFTER DELETE ON {table} BEGIN
             DELETE FROM {table}_search WHERE rowid = old.id;
           END""",
    )


def postgresql_search(table: str) -> tuple[str, ...]:
    """Return the statements that make the index of ``table`` and keep it."""
    facets = ", ".join(f"'#{letter}' || NEW.{column}" for letter, column in SEARCHED[table])
    return (
        f"CREATE TABLE {table}_search (id bigint CONSTRAINT pk_{table}_search PRIMARY KEY, document tsvector NOT NULL)",
        rf"""CREATE FUNCTION index_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN
             INSERT INTO {table}_search VALUES (NEW.id, array_to_tsvector(
               string_to_array(regexp_replace(NEW.search_title, '(^| )(?=.)', '\1=', 'g'), ' ')
               || string_to_array(NEW.search_title, ' ') || string_to_array(NEW.search_text, ' ')
               || ARRAY[{facets}]::text[]))
             ON CONFLICT (id) DO UPDATE SET document = excluded.document;
             RETURN NULL;
           END $$""",
        f"""CREATE FUNCTION forget_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN
             DELETE FROM {table}_search WHERE id = OLD.id;
             RETURN NULL;
           END $$""",
        f"""CREATE TRIGGER {table}_search_write AFTER INSERT OR UPDATE OF search_title, search_text ON {table}
           FOR EACH ROW EXECUTE FUNCTION index_{table}()""",
        f"""CREATE TRIGGER {table}_search_delete AFTER DELETE ON {table}
           FOR EACH ROW EXECUTE FUNCTION forget_{table}()""",
        f"CREATE INDEX ix_{table}_search_document ON {table}_search USING gin (document) WITH (fastupdate = off)",
    )


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "file_deletions",
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_file_deletions")),
    )
    op.create_table(
        "file_derivatives",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actual_width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", "width", name=op.f("pk_file_derivatives")),
    )
    op.create_table(
        "file_owners",
        sa.Column("owner_id", IDENTIFIER, autoincrement=False, nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used_bytes >= 0", name=op.f("ck_file_owners_used_bytes")),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_file_owners")),
    )
    op.create_table(
        "files",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("original_filename", sa.String(length=255), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("public_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_owner_id", "files", ["owner_id"], unique=False)
    op.create_index("ix_files_sha256", "files", ["sha256"], unique=False)
    op.create_index("uq_files_name", "files", ["name"], unique=True)

    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "media_files",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("file_id", IDENTIFIER, nullable=False),
        sa.Column("uploaded_by", IDENTIFIER, nullable=False),
        sa.Column("upload_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("filename_key", SORT_KEY, nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column("alt_text", sa.String(length=500), nullable=False),
        sa.Column("search_title", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_media_files_file_id_files"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by"], ["users.id"], name=op.f("fk_media_files_uploaded_by_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_files")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_media_files_file_size_id", "media_files", ["file_size", "id"], unique=False)
    op.create_index("ix_media_files_filename_key_id", "media_files", ["filename_key", "id"], unique=False)
    op.create_index(
        "ix_media_files_upload_date_id", "media_files", ["upload_date", "id", "format", "uploaded_by"], unique=False
    )
    op.create_index(
        "ix_media_files_uploaded_by_upload_date_id",
        "media_files",
        ["uploaded_by", "upload_date", "id", "format"],
        unique=False,
    )
    op.create_index("uq_media_files_file_id", "media_files", ["file_id"], unique=True)

    op.create_table(
        "tags",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", SORT_KEY, nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=True),
        sa.Column("created_by", IDENTIFIER, nullable=True),
        sa.Column("search_document", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_tags_created_by_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_tags_name_key", "tags", ["name_key"], unique=True)
    op.create_index("uq_tags_slug", "tags", ["slug"], unique=True)

    op.create_table(
        "user_permissions",
        sa.Column("user_id", IDENTIFIER, nullable=False),
        sa.Column("permission", sa.String(length=60), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_permissions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "permission", name=op.f("pk_user_permissions")),
    )
    op.create_table(
        "posts",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("author_id", IDENTIFIER, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("title_key", SORT_KEY, nullable=False),
        sa.Column("title_nb", sa.String(length=200), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("excerpt_nb", sa.Text(), nullable=False),
        sa.Column("body_markdown", sa.Text(), nullable=False),
        sa.Column("body_markdown_nb", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False),
        sa.Column("body_html_nb", sa.Text(), nullable=False),
        sa.Column("meta_title", sa.String(length=200), nullable=False),
        sa.Column("meta_description", sa.String(length=500), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("featured_image_id", IDENTIFIER, nullable=True),
        sa.Column("search_title", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_posts_author_id_users"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["featured_image_id"],
            ["media_files.id"],
            name=op.f("fk_posts_featured_image_id_media_files"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_posts_announced_at_published_at", "posts", ["announced_at", "published_at"], unique=False)
    op.create_index("ix_posts_author_id_created_at_id", "posts", ["author_id", "created_at", "id"], unique=False)
    op.create_index("ix_posts_created_at_id", "posts", ["created_at", "id"], unique=False)
    op.create_index("ix_posts_featured_image_id", "posts", ["featured_image_id"], unique=False)
    op.create_index("ix_posts_published_at_id", "posts", ["published_at", "id"], unique=False)
    op.create_index("ix_posts_status_published_at_id", "posts", ["status", "published_at", "id"], unique=False)
    op.create_index("ix_posts_title_key_id", "posts", ["title_key", "id"], unique=False)
    op.create_index("ix_posts_updated_at_id", "posts", ["updated_at", "id"], unique=False)

    op.create_table(
        "project_images",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("project_id", IDENTIFIER, nullable=False),
        sa.Column("file_id", IDENTIFIER, nullable=False),
        sa.Column("caption", sa.String(length=500), nullable=False),
        sa.Column("upload_date", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_project_images_file_id_files"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_images_project_id_projects"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_images")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_project_images_project_id", "project_images", ["project_id"], unique=False)
    op.create_index("uq_project_images_file_id", "project_images", ["file_id"], unique=True)

    op.create_table(
        "media_usages",
        sa.Column("media_id", IDENTIFIER, nullable=False),
        sa.Column("post_id", IDENTIFIER, nullable=False),
        sa.Column("place", sa.String(length=20), nullable=False),
        sa.Column("opens", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["media_id"], ["media_files.id"], name=op.f("fk_media_usages_media_id_media_files"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_media_usages_post_id_posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("media_id", "post_id", "place", name=op.f("pk_media_usages")),
    )
    op.create_index("ix_media_usages_post_id", "media_usages", ["post_id"], unique=False)

    op.create_table(
        "post_audio",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("post_id", IDENTIFIER, nullable=False),
        sa.Column("file_id", IDENTIFIER, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_post_audio_file_id_files"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_audio_post_id_posts"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_audio")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_post_audio_post_id", "post_audio", ["post_id"], unique=False)
    op.create_index("uq_post_audio_file_id", "post_audio", ["file_id"], unique=True)

    op.create_table(
        "post_images",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("post_id", IDENTIFIER, nullable=False),
        sa.Column("media_id", IDENTIFIER, nullable=False),
        sa.Column("alt_text", sa.String(length=500), nullable=False),
        sa.Column("caption", sa.String(length=500), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["media_id"], ["media_files.id"], name=op.f("fk_post_images_media_id_media_files"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_images_post_id_posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_images")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_post_images_media_id", "post_images", ["media_id"], unique=False)
    op.create_index("uq_post_images_post_id_media_id", "post_images", ["post_id", "media_id"], unique=True)

    op.create_table(
        "post_slugs",
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("post_id", IDENTIFIER, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_slugs_post_id_posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_post_slugs")),
    )
    op.create_index("ix_post_slugs_post_id", "post_slugs", ["post_id"], unique=False)

    op.create_table(
        "post_tags",
        sa.Column("post_id", IDENTIFIER, nullable=False),
        sa.Column("tag_id", IDENTIFIER, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_tags_post_id_posts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_post_tags_tag_id_tags"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "tag_id", name=op.f("pk_post_tags")),
    )
    op.create_index("ix_post_tags_tag_id_post_id", "post_tags", ["tag_id", "post_id"], unique=False)

    op.create_table(
        "post_videos",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("post_id", IDENTIFIER, nullable=False),
        sa.Column("video_id", sa.String(length=11), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_videos_post_id_posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_videos")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_post_videos_post_id_video_id", "post_videos", ["post_id", "video_id"], unique=True)

    op.create_table(
        "task_images",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("task_id", IDENTIFIER, nullable=False),
        sa.Column("file_id", IDENTIFIER, nullable=False),
        sa.Column("caption", sa.String(length=500), nullable=False),
        sa.Column("upload_date", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_task_images_file_id_files"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_images_task_id_tasks"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_images")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_images_task_id", "task_images", ["task_id"], unique=False)
    op.create_index("uq_task_images_file_id", "task_images", ["file_id"], unique=True)

    with op.batch_alter_table("users", **USERS) as batch:
        batch.add_column(sa.Column("profile_picture_id", IDENTIFIER, nullable=True))
        batch.create_foreign_key(PICTURE_KEY, "files", ["profile_picture_id"], ["id"], ondelete="RESTRICT")
        batch.create_index("ix_users_profile_picture_id", ["profile_picture_id"], unique=False)

    search = sqlite_search if op.get_bind().dialect.name == "sqlite" else postgresql_search
    for table in SEARCHED:
        for statement in search(table):
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Take back."""
    # First, because SQLite alters no table while a trigger names one that is gone.
    with op.batch_alter_table("users", **USERS) as batch:
        batch.drop_index("ix_users_profile_picture_id")
        batch.drop_constraint(PICTURE_KEY, type_="foreignkey")
        batch.drop_column("profile_picture_id")
    for table in SEARCHED:
        op.execute(f"DROP TABLE {table}_search")
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in SEARCHED:
            op.execute(f"DROP FUNCTION index_{table}, forget_{table}")
