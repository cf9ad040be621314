"""What is audited of accounts, sessions and tokens: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "auth.signed_in": Text("Signed in.", "Logget inn."),
    "auth.sign_in_failed": Text("Tried to sign in with a wrong password.", "Forsøkte å logge inn med feil passord."),
    "auth.sign_in_locked": Text(
        "Signing in was locked for a while after too many wrong passwords.",
        "Innlogging ble sperret en stund etter for mange feil passord.",
    ),
    "auth.refresh_token_reused": Text(
        "A refresh token was used again after its time: its session was ended.",
        "Et fornyelsestoken ble brukt om igjen for sent: økten ble avsluttet.",
    ),
    "auth.sessions_ended": Text("Sessions were ended.", "Økter ble avsluttet."),
    "auth.password_changed": Text("Changed the own password.", "Endret eget passord."),
    "auth.password_change_failed": Text(
        "Tried to change the password with a wrong one.",
        "Forsøkte å endre passordet med feil passord.",
    ),
    "auth.password_reset_requested": Text(
        "A link to set a new password was asked for.",
        "Det ble bedt om en lenke for å sette nytt passord.",
    ),
    "auth.password_reset": Text("Set a new password with a link.", "Satte nytt passord med en lenke."),
    "auth.user_registered": Text("An account was created.", "En konto ble opprettet."),
    "auth.user_updated": Text("Changed the own account.", "Endret egen konto."),
    "auth.user_deactivated": Text("Closed the own account.", "Stengte egen konto."),
    "auth.permission_granted": Text("A permission was granted.", "En tillatelse ble gitt."),
    "auth.permission_revoked": Text("A permission was taken back.", "En tillatelse ble trukket tilbake."),
    "auth.api_token_created": Text("Created an API token.", "Opprettet et API-token."),
    "auth.api_token_revoked": Text("Revoked an API token.", "Trakk tilbake et API-token."),
}
