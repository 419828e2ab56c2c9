"""The generated messages and stubs of socketpass.v1."""
