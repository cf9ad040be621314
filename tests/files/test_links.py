"""Addresses of files in texts: found in every form, and replaced without touching anything else."""

from __future__ import annotations

import time

import pytest

from nxfs.files import links

NAME = "0f" * 16 + ".jpg"
FORMS = [
    f"/media/{NAME}",
    f"https://api.example.com/media/{NAME}",
    f"http://127.0.0.1:5000/media/{NAME}/320.webp",
    f"/media/{NAME}?expires=1798000000&signature=ab-C_d",
    f"/media/{NAME}/800.webp?expires=1798000000&amp;signature=abCd",
    f"//api.example.com/media/{NAME}",
    f"http://[::1]:5000/media/{NAME}",
]


@pytest.mark.parametrize("address", FORMS)
@pytest.mark.parametrize("text", ["{}", "![alt]({})", '<img src="{}">', "<{}>", "see {} there", "[a]: {}\n"])
def test_address_is_found_and_replaced_as_a_whole(address, text):
    written = text.format(address)
    assert links.names_in(written) == {NAME}
    width = 320 if "/320." in address else 800 if "/800." in address else None
    assert links.replace_addresses(written, links.canonical) == text.format(links.canonical(NAME, width))
    assert links.replace_addresses(written, lambda name, width: None) == written


@pytest.mark.parametrize(
    "text", ["/media/x.jpg", "/media/" + "0" * 31 + ".jpg", "/media/" + "G" * 32 + ".jpg", "media " + NAME, ""]
)
def test_other_text_is_no_address(text):
    assert links.names_in(text) == set()


@pytest.mark.parametrize(
    "before", ["https:", "x", "//a b", "http:// ", "https://a.example/b", f"/media/{NAME}", "////("]
)
def test_only_a_host_belongs_to_the_address_behind_it(before):
    text = f"{before}/media/{NAME}"
    assert links.replace_addresses(text, lambda name, width: "+") == f"{before}+".replace(f"/media/{NAME}", "+")


@pytest.mark.parametrize(
    "part", ["x", "https://", "https://h", "/media/", f"/media/{NAME[:-1]}", "//", f"/media/{NAME} "]
)
def test_addresses_are_looked_for_in_no_time(part):
    text = part * (200_000 // len(part))
    started = time.thread_time()
    links.replace_addresses(text, links.canonical)
    # Three milliseconds on a machine that is not busy, and one without any address.
    assert time.thread_time() - started < 0.1
