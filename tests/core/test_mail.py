"""Mail: what a letter looks like, and what happens when it cannot be sent."""

from __future__ import annotations

import pytest

from nxfs.core import mail
from nxfs.core.mail import Letter
from tests.mail_sink import MailSink

LETTER = Letter(
    recipient="kari@example.com", subject="Nytt passord på vei", body="Hei!\n\nhttp://x/?token=abc\n.\nslutt\n"
)


def test_letter_arrives_with_headers_and_unchanged_text(app, monkeypatch):
    monkeypatch.setitem(app.config, "MAIL_FROM", "NXFS <post@example.com>")
    with MailSink() as sink:
        monkeypatch.setitem(app.config, "SMTP_URL", sink.url)
        mail.send_later(LETTER)
        assert mail.wait_until_sent()
        message = sink.take()
    assert (message["From"], message["To"]) == ("NXFS <post@example.com>", "kari@example.com")
    assert message["Subject"] == LETTER.subject
    assert message["Message-ID"].endswith("@example.com>")
    assert message.get_content().replace("\r\n", "\n") == LETTER.body


def test_letter_to_norwegian_domain_is_sent_to_its_ascii_form(app, monkeypatch):
    with MailSink() as sink:
        monkeypatch.setitem(app.config, "SMTP_URL", sink.url)
        mail.send_later(Letter(recipient="kari@blåbær.no", subject="Hei", body="Hei"))
        mail.wait_until_sent()
        assert sink.recipients == ["kari@xn--blbr-roah.no"]


@pytest.mark.parametrize("recipient", ["kari@example.com\nBcc: all@example.com", "kari@" + "x" * 100 + ".no"])
def test_letter_to_impossible_address_is_not_sent_and_logged(app, monkeypatch, caplog, recipient):
    with MailSink() as sink:
        monkeypatch.setitem(app.config, "SMTP_URL", sink.url)
        mail.send_later(Letter(recipient=recipient, subject="Hei", body="Hei"))
        mail.wait_until_sent()
        assert sink.is_empty
        assert sink.recipients == []
    assert "mail not sent" in caplog.text


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:1", "refusing"])
def test_letter_that_cannot_be_sent_is_logged_without_its_recipient(app, monkeypatch, caplog, url):
    with MailSink(refusal="550 no such user kari@example.com") as sink:
        monkeypatch.setitem(app.config, "SMTP_URL", sink.url if url == "refusing" else url)
        mail.send_later(LETTER)
        assert mail.wait_until_sent()
    assert "mail not sent" in caplog.text
    assert "kari@example.com" not in caplog.text
    assert "token=abc" not in caplog.text


def test_letter_in_development_without_server_is_printed_with_its_link(app, monkeypatch, capsys):
    monkeypatch.setitem(app.config, "NXFS_ENV", "development")
    mail.send_later(LETTER)
    assert "http://x/?token=abc" in capsys.readouterr().out


def test_letter_in_production_without_server_is_not_shown(app, monkeypatch, capsys, caplog):
    monkeypatch.setitem(app.config, "NXFS_ENV", "production")
    mail.send_later(LETTER)
    shown = capsys.readouterr().out + caplog.text
    assert "set SMTP_URL" in shown
    assert "abc" not in shown
    assert "kari@example.com" not in shown


def test_letters_under_way_are_bounded(app, monkeypatch, caplog):
    monkeypatch.setitem(app.config, "SMTP_URL", "smtp://127.0.0.1:1")
    # None of the greenlets runs before the test waits for them.
    monkeypatch.setattr(mail, "_send", lambda *_, **__: None)
    for _ in range(mail.MOST_UNDER_WAY + 1):
        mail.send_later(LETTER)
    assert mail.wait_until_sent()
    assert caplog.text.count("mail dropped") == 1
