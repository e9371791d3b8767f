"""Makers of small inputs, shipped for tests and documentation; nothing else imports this."""
