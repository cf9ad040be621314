"""Tests of the contract: the OpenAPI document, what is generated from it, and what the server does with it."""
