"""What is audited of posts, tags and media: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "blog.post_created": Text("Created a post.", "Opprettet et innlegg."),
    "blog.post_updated": Text("Changed a post.", "Endret et innlegg."),
    "blog.post_published": Text("A post was published.", "Et innlegg ble publisert."),
    "blog.post_deleted": Text("Deleted a post.", "Slettet et innlegg."),
    "blog.tag_created": Text("Created a tag.", "Opprettet en etikett."),
    "blog.tag_updated": Text("Changed a tag.", "Endret en etikett."),
    "blog.tag_deleted": Text("Deleted a tag.", "Slettet en etikett."),
    "blog.tag_merged": Text("Merged a tag into another one.", "Slo en etikett sammen med en annen."),
    "blog.media_uploaded": Text("Uploaded a file.", "Lastet opp en fil."),
    "blog.media_updated": Text("Changed the description of a file.", "Endret beskrivelsen av en fil."),
    "blog.media_deleted": Text("Deleted a file.", "Slettet en fil."),
}
