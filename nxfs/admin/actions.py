"""What is audited of administration: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "users.created": Text("Created an account for somebody.", "Opprettet en konto for noen."),
    "users.invited": Text("Invited somebody.", "Inviterte noen."),
    "users.updated": Text("Changed somebody's account.", "Endret kontoen til noen."),
    "users.role_changed": Text("Changed somebody's role.", "Endret rollen til noen."),
    "users.permissions_changed": Text("Changed somebody's permissions.", "Endret tillatelsene til noen."),
    "users.deactivated": Text("Disabled an account.", "Deaktiverte en konto."),
    "users.activated": Text("Enabled an account.", "Aktiverte en konto."),
    "users.erased": Text("Erased the personal data of an account.", "Slettet personopplysningene i en konto."),
    "users.password_reset": Text("Reset somebody's password.", "Tilbakestilte passordet til noen."),
    "users.sessions_ended": Text("Ended somebody's sessions.", "Avsluttet øktene til noen."),
    "users.unlocked": Text("Unlocked somebody's sign-in.", "Opphevet sperren for innlogging for noen."),
    "users.viewed": Text("Looked at somebody's account.", "Så på kontoen til noen."),
    "users.listed": Text("Looked at the list of accounts.", "Så på listen over kontoer."),
    "users.sessions_viewed": Text("Looked at somebody's sessions.", "Så på øktene til noen."),
    "groups.created": Text("Created a group.", "Opprettet en gruppe."),
    "groups.updated": Text("Changed a group.", "Endret en gruppe."),
    "groups.deleted": Text("Deleted a group.", "Slettet en gruppe."),
    "groups.members_changed": Text("Changed who is in a group.", "Endret hvem som er i en gruppe."),
    "audit.viewed": Text("Read the audit log.", "Leste revisjonsloggen."),
    "audit.exported": Text("Exported the audit log.", "Eksporterte revisjonsloggen."),
    "audit.archived": Text(
        "A day of the audit log was moved to the archive.",
        "En dag i revisjonsloggen ble flyttet til arkivet.",
    ),
    "analytics.viewed": Text("Looked at how the service is used.", "Så på hvordan tjenesten brukes."),
    "analytics.exported": Text("Exported how the service is used.", "Eksporterte hvordan tjenesten brukes."),
    "limits.reset": Text("Reset rate limits.", "Nullstilte bruksgrenser."),
}
