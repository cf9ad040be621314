"""Tests of what is told as it happens: sockets, streams of events and the page that shows both."""
