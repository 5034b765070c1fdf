"""The embedded cloud: moto, extended by what the academy needs, in one process on 127.0.0.1.

Nothing outside the tests and the command line imports it.
"""
