"""Tests of sentences and their translation."""

from __future__ import annotations

import marshmallow as ma
import pytest
from marshmallow import validate

from nxfs.core.messages import Text, translate


def test_fill_replaces_parameters_in_both_languages():
    assert Text("{n} left", "{n} igjen").fill(n=2) == Text("2 left", "2 igjen")


def test_fill_without_parameters_keeps_braces():
    assert Text("Use {} here", "Bruk {} her").fill() == Text("Use {} here", "Bruk {} her")


@pytest.mark.parametrize(("language", "expected"), [("en", "Yes."), ("no", "Ja."), ("xx", "Yes.")])
def test_translate_text_gives_the_language_or_english(language, expected):
    assert translate(Text("Yes.", "Ja."), language) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Unknown field.", "Ukjent felt."),
        ("Must be one of: a, b.", "Må være en av: a, b."),
        ("Length must be between 1 and 200.", "Lengden må være mellom 1 og 200."),
        ("Somebody else's sentence.", "Somebody else's sentence."),
    ],
)
def test_translate_library_sentence_to_norwegian(sentence, expected):
    assert translate(sentence, "no") == expected
    assert translate(sentence, "en") == sentence


class Everything(ma.Schema):
    """Fields and validators whose sentences can reach a client."""

    text = ma.fields.String(validate=validate.Length(min=2, max=3))
    longer = ma.fields.String(validate=validate.Length(min=2))
    shorter = ma.fields.String(validate=validate.Length(max=1))
    number = ma.fields.Integer(validate=validate.Range(min=1, max=2))
    least = ma.fields.Integer(validate=validate.Range(min=1))
    most = ma.fields.Integer(validate=validate.Range(max=1))
    real = ma.fields.Float()
    truth = ma.fields.Boolean()
    day = ma.fields.Date()
    moment = ma.fields.DateTime()
    email = ma.fields.Email()
    url = ma.fields.URL()
    word = ma.fields.String(validate=validate.OneOf(["a", "b"]))
    shape = ma.fields.String(validate=validate.Regexp("x"))
    items = ma.fields.List(ma.fields.Integer())
    table = ma.fields.Dict()
    inner = ma.fields.Nested(ma.Schema.from_dict({"a": ma.fields.Integer()}))
    needed = ma.fields.String(required=True)


@pytest.mark.parametrize(
    "data",
    [
        dict.fromkeys(Everything().fields),
        {name: object() for name in Everything().fields},
        {"text": "x", "longer": "x", "shorter": "xx", "number": 9, "least": 0, "most": 9, "word": "c", "shape": "y"},
        {"real": "nan", "email": "x", "url": "x", "unknown": 1},
    ],
)
def test_translate_what_the_library_writes_leaves_no_english(data):
    messages = Everything().validate(data)
    sentences = [each for errors in messages.values() for each in (errors if isinstance(errors, list) else [])]
    assert sentences
    assert [each for each in sentences if translate(each, "no") == each] == []
