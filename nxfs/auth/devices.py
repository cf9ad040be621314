"""Which device a session is on, in words that its owner recognises."""

from __future__ import annotations

# In this order: many claim to be others as well. What is told by the second word is called by the first.
BROWSERS = (
    ("Edge", "Edg"),
    ("Opera", "OPR/"),
    ("Samsung Internet", "SamsungBrowser/"),
    ("Firefox", "Firefox/"),
    ("Firefox", "FxiOS/"),
    ("Chrome", "CriOS/"),
    ("Chrome", "Chrome/"),
    ("Safari", "Safari/"),
    ("curl", "curl/"),
    ("Python", "python-requests/"),
    ("n8n", "n8n"),
    ("axios", "axios/"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("ChromeOS", "CrOS"),
    ("macOS", "Mac OS X"),
    ("Linux", "Linux"),
)


def device_of(user_agent: str | None) -> str | None:
    """Return a browser and a system, as ``Firefox on Windows``, as far as ``user_agent`` tells; None if nothing."""
    told = user_agent or ""
    browser, system = (next((name for name, word in words if word in told), None) for words in (BROWSERS, SYSTEMS))
    return " on ".join(filter(None, (browser, system))) or None
